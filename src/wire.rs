//! The generated messages, client and server of `proto/replication/v1`; the header is the disk's too.
#![allow(missing_docs, clippy::all)]

tonic::include_proto!("bellwether.replication.v1");
