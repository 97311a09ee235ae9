//! The generated messages, client and server of `proto/replication/v1`.
#![allow(missing_docs, clippy::all)]

tonic::include_proto!("bellwether.replication.v1");
