//! Traces: each publication of this leader as spans, from the read of the upstream to the first client that has the table
//! (docs/logs.md).
//!
//! In: publications, as they are written down, and the ledger of deliveries. Out: OTLP over gRPC, in batches, by the OpenTelemetry
//! SDK. What can go wrong: a collector that is slow or away. Spans wait for it in a queue that has an end, and are dropped
//! beyond that; nobody else waits.

mod spans;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::{Span as _, SpanBuilder, TraceContextExt as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider};
use tokio::sync::Semaphore;
use tonic::metadata::{MetadataKey, MetadataMap, MetadataValue};
use tonic::transport::ClientTlsConfig;

use crate::aside::aside;
use crate::replication::hub::Hub;
use crate::snapshot::{Digest, Publication};
use crate::time::Moment;
use spans::{Spans, Step};

/// How long a trace waits for the first client: longer than the polls of most fleets.
const FIRST_CLIENT: Duration = Duration::from_secs(10);

/// How many traces wait for their first client at once; those beyond are sent without.
const WAITING: usize = 16;

/// How long the last spans may take to be sent when the process stops.
const FLUSH: Duration = Duration::from_secs(2);

/// What `-open-telemetry` says. What it leaves out is as the variables `OTEL_…` say, and else as OpenTelemetry has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Where the collector is, as `http://collector:4317`.
    pub endpoint: Option<String>,
    /// Headers of each export.
    pub headers: BTreeMap<String, String>,
    /// What this service says of itself.
    pub attributes: BTreeMap<String, String>,
    /// How long spans wait for others.
    pub delay: Option<Duration>,
    /// How long one export may take.
    pub timeout: Option<Duration>,
    /// How many spans wait at most.
    pub queue: Option<usize>,
    /// How many of them are sent at once.
    pub batch: Option<usize>,
}

/// Why there are no traces.
#[derive(Debug, thiserror::Error)]
#[error("-open-telemetry: {0}")]
pub struct TracesError(#[from] ExporterBuildError);

/// Sends traces; clones send to the same collector.
#[derive(Clone)]
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    waiting: Arc<Semaphore>,
}

/// What a trace is made of.
pub struct Told {
    /// What was published.
    pub publication: Publication,
    /// When the objects had been read, in Unix milliseconds.
    pub read_at_millis: u64,
    /// When the leader activated it.
    pub activated_at: Moment,
    /// Its tables.
    pub digests: Vec<Digest>,
}

impl Traces {
    /// Sends the traces of `replica` as `options` say. Within a runtime, which carries the connection; nobody is asked yet.
    ///
    /// # Errors
    ///
    /// Where that cannot be right.
    pub fn start(options: &Options, replica: &str) -> Result<Self, TracesError> {
        let mut exporter = SpanExporter::builder().with_tonic().with_metadata(metadata(&options.headers));
        if let Some(endpoint) = &options.endpoint {
            exporter = exporter.with_endpoint(endpoint);
            if endpoint.starts_with("https:") {
                exporter = exporter.with_tls_config(ClientTlsConfig::new().with_native_roots());
            }
        }
        if let Some(timeout) = options.timeout {
            exporter = exporter.with_timeout(timeout);
        }
        let mut batches = BatchConfigBuilder::default();
        if let Some(delay) = options.delay {
            batches = batches.with_scheduled_delay(delay);
        }
        if let Some(queue) = options.queue {
            batches = batches.with_max_queue_size(queue);
        }
        if let Some(batch) = options.batch {
            batches = batches.with_max_export_batch_size(batch);
        }
        let processor =
            BatchSpanProcessor::builder(exporter.build()?).with_batch_config(batches.build()).build();
        let given = options.attributes.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
        let resource = Resource::builder()
            .with_service_name("bellwether")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("service.instance.id", replica.to_owned()))
            .with_attributes(given)
            .build();
        let provider =
            SdkTracerProvider::builder().with_span_processor(processor).with_resource(resource).build();
        let tracer = provider.tracer("bellwether");
        Ok(Self { provider, tracer, waiting: Arc::new(Semaphore::new(WAITING)) })
    }

    /// Tells what `hub`'s replica has published, once the first client has it; at once where too many wait for that. Does not wait.
    pub fn tell(&self, hub: &Arc<Hub>, told: Told) {
        let Ok(place) = Arc::clone(&self.waiting).try_acquire_owned() else {
            return self.send(&Spans::of(&told.publication, told.read_at_millis, None));
        };
        let (traces, hub) = (self.clone(), Arc::clone(hub));
        tokio::spawn(async move {
            let first = first_client(&hub, &told.digests, told.activated_at);
            let first = tokio::time::timeout(FIRST_CLIENT, first).await.ok();
            let after = first.map(|at| at.since(told.activated_at));
            traces.send(&Spans::of(&told.publication, told.read_at_millis, after));
            drop(place);
        });
    }

    /// Sends what is left. What does not reach the collector in time is lost.
    pub async fn stop(&self) {
        let provider = self.provider.clone();
        let stopped = aside(move || provider.shutdown_with_timeout(FLUSH));
        if !matches!(tokio::time::timeout(FLUSH, stopped).await, Ok(Ok(Ok(())))) {
            tracing::warn!("the collector did not take the last traces");
        }
    }

    fn send(&self, spans: &Spans) {
        let builder = |step: &Step| SpanBuilder::from_name(step.name).with_start_time(step.begin);
        let whole = builder(&spans.whole).with_attributes(spans.attributes.clone());
        let whole = whole.start_with_context(&self.tracer, &Context::new());
        let within = Context::new().with_span(whole);
        for step in &spans.steps {
            let mut span = builder(step).start_with_context(&self.tracer, &within);
            span.end_with_timestamp(step.end);
        }
        within.span().end_with_timestamp(spans.whole.end);
    }
}

/// Waits until a client has one of `digests` whole, after `since`; when that was.
async fn first_client(hub: &Hub, digests: &[Digest], since: Moment) -> Moment {
    let mut news = hub.deliveries().news();
    loop {
        news.mark_unchanged();
        let first = digests.iter().filter_map(|digest| hub.deliveries().first(*digest, since)).min();
        match first {
            Some(first) => return first,
            // The hub outlives whoever asks.
            None => drop(news.changed().await),
        }
    }
}

fn metadata(headers: &BTreeMap<String, String>) -> MetadataMap {
    let mut map = MetadataMap::with_capacity(headers.len());
    for (name, value) in headers {
        let (name, value) =
            (MetadataKey::from_bytes(name.to_lowercase().as_bytes()), MetadataValue::try_from(value));
        if let (Ok(name), Ok(value)) = (name, value) {
            map.insert(name, value);
        }
    }
    map
}
