//! `-open-telemetry`, as routesrv has it: YAML.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::flags::values::Values;
use crate::flags::{FlagError, Note, duration};
use crate::traces::Options;

/// The document. What steers the traces of requests is read over.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Document {
    traces_exporter: String,
    exporter_otlp: Exporter,
    resource_attributes: BTreeMap<String, String>,
    batch_span_processor: Batches,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Exporter {
    protocol: Option<String>,
    endpoint: Option<String>,
    headers: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Batches {
    schedule_delay: Option<String>,
    export_timeout: Option<String>,
    max_queue_size: Option<usize>,
    max_export_batch_size: Option<usize>,
}

/// What `-open-telemetry` says; none where it is not given, or asks for what there is not, which is noted.
///
/// # Errors
///
/// Where a value is none.
pub(super) fn options(values: &Values, notes: &mut Vec<Note>) -> Result<Option<Options>, FlagError> {
    let text = values.text("open-telemetry");
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |why: String| FlagError::value("open-telemetry", text, why);
    let document: Document = serde_saphyr::from_str(text)
        .map_err(|error| wrong(error.to_string().lines().next().unwrap_or_default().to_owned()))?;
    let protocol = document.exporter_otlp.protocol.as_deref().unwrap_or("grpc");
    let lacking = match (document.traces_exporter.as_str(), protocol) {
        ("" | "otlp", "grpc") => None,
        ("" | "otlp", protocol) => {
            Some(format!("the protocol {protocol}; collectors take grpc too, on port 4317"))
        }
        (exporter, _) => Some(format!("the exporter {exporter}; use otlp")),
    };
    if let Some(lacking) = lacking {
        notes.push(Note {
            warning: true,
            text: format!("-open-telemetry: no traces, as there is not {lacking}"),
        });
        return Ok(None);
    }
    let length = |name: &str, text: Option<String>| {
        let parsed = text.map(|text| {
            let length = duration::parse(&text).filter(|it| !it.negative).map(|it| it.length);
            length.ok_or_else(|| wrong(format!("has {text:?} for {name}; write it as 5s")))
        });
        parsed.transpose()
    };
    let Batches { schedule_delay, export_timeout, max_queue_size, max_export_batch_size } =
        document.batch_span_processor;
    Ok(Some(Options {
        endpoint: document.exporter_otlp.endpoint,
        headers: document.exporter_otlp.headers,
        attributes: document.resource_attributes,
        delay: length("scheduleDelay", schedule_delay)?,
        timeout: length("exportTimeout", export_timeout)?,
        queue: max_queue_size,
        batch: max_export_batch_size,
    }))
}
