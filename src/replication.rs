//! Replication: how one leader's snapshots become every replica's, and never an older one after a newer one.
