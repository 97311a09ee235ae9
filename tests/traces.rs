//! Traces as a collector gets them: three replicas as processes, and a collector of ours that speaks OTLP over gRPC.

#[path = "see/fleet.rs"]
#[allow(dead_code)]
mod fleet;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use fleet::Fleet;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use tokio::sync::mpsc;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// For what takes an election on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Collector(mpsc::UnboundedSender<(Option<String>, ResourceSpans)>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let team = request.metadata().get("x-team").and_then(|it| it.to_str().ok()).map(str::to_owned);
        for spans in request.into_inner().resource_spans {
            self.0.send((team.clone(), spans)).expect("somebody listens");
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

async fn collector() -> (SocketAddr, mpsc::UnboundedReceiver<(Option<String>, ResourceSpans)>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (address, (sender, receiver)) = (listener.local_addr().expect("bound"), mpsc::unbounded_channel());
    let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(Collector(sender)));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    (address, receiver)
}

fn words(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let word = |value: &Option<AnyValue>| match value.as_ref().and_then(|it| it.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|it| (it.key.clone(), word(&it.value))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_one_trace_from_the_read_to_the_first_client() {
    let (address, mut arrivals) = collector().await;
    let flags = format!(
        "-open-telemetry={{tracesExporter: otlp, exporterOtlp: {{protocol: grpc, endpoint: 'http://{address}', \
         headers: {{X-Team: edge}}}}, resourceAttributes: {{deployment.environment: test}}, \
         batchSpanProcessor: {{scheduleDelay: 100ms}}}}"
    );
    let fleet = Fleet::start_with(&["/cart"], &[flags]);
    fleet.in_step();
    fleet.write(&["/cart", "/pay"]);
    fleet.published(|newest| newest["cause"] == "change" && newest["changed"] == 0 && newest["added"] != 0);
    // Whichever leads hears of it from whichever it was.
    fleet.poll(1, "127.0.0.7");
    let mut spans: Vec<Span> = Vec::new();
    let whole = |spans: &[Span]| {
        let root = spans.iter().find(|it| {
            let words = words(&it.attributes);
            it.name == "publication" && words.get("bellwether.added").is_some_and(|added| added != "0")
        })?;
        let of_it: Vec<Span> = spans.iter().filter(|it| it.trace_id == root.trace_id).cloned().collect();
        of_it.iter().any(|it| it.name == "first client").then(|| (root.clone(), of_it))
    };
    let (root, trace) = loop {
        if let Some(trace) = whole(&spans) {
            break trace;
        }
        let arrival = tokio::time::timeout(PATIENCE, arrivals.recv()).await;
        let (team, of_resource) = arrival.expect("in time").expect("a collector");
        assert_eq!(team.as_deref(), Some("edge"));
        let resource = words(&of_resource.resource.expect("a resource").attributes);
        assert_eq!(resource["service.name"], "bellwether");
        assert_eq!(resource["deployment.environment"], "test");
        assert!(resource["service.instance.id"].starts_with('r'), "{resource:?}");
        spans.extend(of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
    };
    let names: Vec<&str> = ["poll", "compile", "stage", "activate", "first client"].into();
    for name in names {
        let step = trace.iter().find(|it| it.name == name).unwrap_or_else(|| panic!("{name}: {trace:#?}"));
        assert_eq!(step.parent_span_id, root.span_id, "{name}");
        assert!(step.start_time_unix_nano < step.end_time_unix_nano, "{name}");
        assert!(root.start_time_unix_nano <= step.start_time_unix_nano, "{name}");
        assert!(step.end_time_unix_nano <= root.end_time_unix_nano, "{name}");
    }
    let words = words(&root.attributes);
    assert_eq!((words["bellwether.cause"].as_str(), words["bellwether.replicas"].as_str()), ("change", "3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_collector_that_is_away() {
    let nobody = "-open-telemetry={exporterOtlp: {endpoint: 'http://127.0.0.1:1'}}".to_owned();
    let fleet = Fleet::start_with(&["/cart"], &[nobody]);
    fleet.in_step();
    for path in ["/a", "/b", "/c"] {
        fleet.write(&["/cart", path]);
        fleet.published(|newest| newest["cause"] == "change" && newest["added"] != 0);
        fleet.in_step();
    }
}
