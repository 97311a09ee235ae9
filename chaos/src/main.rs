//! `cargo run -p chaos -- COMMAND`.

use std::process::ExitCode;

use chaos::baseline::{BaselineArgs, CandidateArgs};
use chaos::before::BeforeArgs;
use chaos::bench::BenchArgs;
use chaos::bench::flames::FlamesArgs;
use chaos::deploy::DeployArgs;
use chaos::differential::DifferentialArgs;
use chaos::elections::ElectionsArgs;
use chaos::explore::ExploreArgs;
use chaos::ground::proof::GroundArgs;
use chaos::image::ImageArgs;
use chaos::judge::JudgeArgs;
use chaos::numbers::NumbersArgs;
use chaos::numbers::changes::ChangesArgs;
use chaos::numbers::faster::FasterArgs;
use chaos::parity::ParityArgs;
use chaos::paths::instructions::{InstructionsArgs, PathArgs};
use chaos::plays::matrix::MatrixArgs;
use chaos::plays::run::{AllArgs, ListArgs, RunArgs, SoakArgs};
use chaos::polls::PollsArgs;
use chaos::report::ReportArgs;
use chaos::scale::ScaleArgs;
use chaos::scenario::cluster::ClusterArgs;
use chaos::scenario::cut::CutArgs;
use chaos::scenario::e2e::E2eArgs;
use chaos::scenario::rollout::RolloutArgs;
use chaos::upstream::FaultyUpstreamArgs;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

/// The harness that breaks Bellwether in front of everybody.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build etcd, kube-apiserver, Skipper, routesrv, the oracle, Helm and Kustomize, where they are not up to date, and fetch
    /// the schemas of Kubernetes. Needs Go.
    Peers,
    /// Build an older version of Bellwether, for what plays both.
    Before(BeforeArgs),
    /// Check the chart, the manifests, the alerts and the dashboard. Needs Helm, Kustomize, etcd and kube-apiserver (see
    /// peers), and promtool and prometheus (Debian's package prometheus has both).
    Deploy(DeployArgs),
    /// Build the container image without a container engine, as an OCI layout, and run what is in it. Needs root to run it, and
    /// Debian's gcc-aarch64-linux-gnu and qemu-user-static for arm64.
    Image(ImageArgs),
    /// What there is to be broken, and what must be kept meanwhile.
    List(ListArgs),
    /// Play some scenarios. Needs etcd, kube-apiserver and Skipper (see peers).
    Run(RunArgs),
    /// Play all scenarios. Needs etcd, kube-apiserver and Skipper (see peers).
    All(AllArgs),
    /// Break at random, from a seed. Needs etcd, kube-apiserver and Skipper (see peers).
    Soak(SoakArgs),
    /// Leave out one protection after the other, and see the scenario fail that it is for. Needs root for some.
    Matrix(MatrixArgs),
    /// The whole way on a real API server, with a real Skipper: changes arrive, the leader dies, the API goes down.
    E2e(E2eArgs),
    /// In a real cluster of three nodes on this machine: its chart installed, pods and nodes taken away under traffic. Needs
    /// Debian, root and control groups of version 1, and etcd, Skipper, routesrv and Helm (see peers).
    Cluster(ClusterArgs),
    /// Move over from routesrv: compare with it and with a Skipper while everything changes, move a Skipper, find what differs.
    /// Needs both (see peers).
    Rollout(RolloutArgs),
    /// Judge a run again, from the file of its history.
    Judge(JudgeArgs),
    /// Make the page of one or more runs.
    Report(ReportArgs),
    /// Explore the states of the replication cores, and show that breaking any rule is noticed. Needs nothing but Rust.
    Explore(ExploreArgs),
    /// Play random schedules of the election's core, and show that what its rules rest on is missed. Needs nothing but Rust.
    Elections(ElectionsArgs),
    /// Cut a download in the middle, before Bellwether and before routesrv, and see which Skipper gets over it. Needs both
    /// (see peers).
    Cut(CutArgs),
    /// Measure failover and skew of three replicas on this machine. Needs nothing but Rust.
    Numbers(NumbersArgs),
    /// Measure how long a change takes from the API server to all replicas, with --watch and by polls. Needs etcd and
    /// kube-apiserver (see peers).
    Changes(ChangesArgs),
    /// Measure how long a change takes to ten real Skippers, and how many bytes: by polls, with --hold, with --shards. Needs
    /// Skipper (see peers).
    Faster(FasterArgs),
    /// Compute what fleets and clusters cost that are larger than any test.
    Scale(ScaleArgs),
    /// Count steps back: clients poll round-robin while replicas are killed and stopped. Needs routesrv (see peers).
    Polls(PollsArgs),
    /// Measure Bellwether, routesrv and nginx side by side: CPU per request and per poll, times, memory. Needs routesrv (see
    /// peers) and nginx.
    Bench(BenchArgs),
    /// Count the instructions of the paths that cost, and fail where they are more than 3 % above the stored counts. Needs
    /// valgrind.
    Instructions(InstructionsArgs),
    /// Run one of these paths.
    #[command(hide = true)]
    Path(PathArgs),
    /// Draw where the time of a first table and of a 304 goes, as flame graphs. Needs perf.
    Flames(FlamesArgs),
    /// Send routesrv and Bellwether the same requests, and compare the answers. Needs routesrv (see peers).
    Http(ParityArgs),
    /// Compile random clusters and compare each table with what routesrv serves. Needs the oracle, which `peers` builds.
    Differential(DifferentialArgs),
    /// Elect by kube-leader-election and by Bellwether, before the same API server: races, partitions, clocks that differ.
    /// Needs etcd and kube-apiserver (see peers).
    Baseline(BaselineArgs),
    /// A candidate of Bellwether's election, told by lines what to do.
    #[command(hide = true)]
    Candidate(CandidateArgs),
    /// Try each fault on a small scale, and say which of them this machine can do. Needs root for most.
    Ground(GroundArgs),
    /// Answer wrongly in the API server's place, and see whose table changes. Needs routesrv (see peers).
    FaultyUpstream(FaultyUpstreamArgs),
}

fn main() -> ExitCode {
    let outcome = match Args::parse().command {
        // Its instructions are counted: those of a runtime's threads are not the same each time.
        Command::Path(args) => args.run(),
        command => unless_interrupted(command),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn unless_interrupted(command: Command) -> anyhow::Result<bool> {
    tokio::select! {
        outcome = run(command) => outcome,
        name = interrupted() => Err(anyhow::anyhow!("ended by {name}")),
    }
}

/// Whether all is well.
async fn run(command: Command) -> anyhow::Result<bool> {
    match command {
        Command::Peers => chaos::peers::build().await.map(|()| true),
        Command::Before(args) => args.run().await,
        Command::Deploy(args) => args.run().await,
        Command::Image(args) => args.run().await,
        Command::List(args) => args.run(),
        Command::Run(args) => args.run().await,
        Command::All(args) => args.run().await,
        Command::Soak(args) => args.run().await,
        Command::Matrix(args) => args.run().await,
        Command::E2e(args) => args.run().await,
        Command::Cluster(args) => args.run().await,
        Command::Rollout(args) => args.run().await,
        Command::Judge(args) => args.run(),
        Command::Report(args) => args.run().await,
        Command::Explore(args) => args.run().await,
        Command::Elections(args) => args.run().await,
        Command::Cut(args) => args.run().await,
        Command::Numbers(args) => args.run().await,
        Command::Changes(args) => args.run().await,
        Command::Faster(args) => args.run().await,
        Command::Bench(args) => args.run().await,
        Command::Scale(args) => args.run(),
        Command::Flames(args) => args.run().await,
        Command::Instructions(args) => args.run(),
        Command::Path(args) => args.run(),
        Command::Polls(args) => args.run().await,
        Command::Http(args) => args.run().await,
        Command::Differential(args) => args.run().await,
        Command::FaultyUpstream(args) => args.run().await,
        Command::Ground(args) => args.run().await,
        Command::Baseline(args) => args.run().await,
        Command::Candidate(args) => args.run().await.map(|()| true),
    }
}

/// Waits for a signal to end. What was started is then dropped, and so ended, with the future that started it.
async fn interrupted() -> &'static str {
    let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be listened to");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}
