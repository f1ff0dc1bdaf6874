//! A span of every request, for an OpenTelemetry collector (OTLP over HTTP). Sent in batches by a thread of its own; what
//! the collector does not take is dropped.

use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use opentelemetry::trace::{
    Span, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
    Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

/// What a caller says of the trace that its request belongs to (W3C Trace Context).
#[derive(Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// 16 hexadecimal digits: the caller's span.
    pub span_id: String,
    /// Whether the caller records the trace.
    pub sampled: bool,
}

impl TraceParent {
    /// What a `traceparent` header says; nothing where it is malformed, as the standard has it.
    pub fn parse(text: &str) -> Option<TraceParent> {
        let mut parts = text.split('-');
        let mut part = |digits: usize| {
            let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            parts.next().filter(|text| text.len() == digits && text.bytes().all(hex))
        };
        let (version, trace_id, span_id, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        let named = |text: &str| text.bytes().any(|byte| byte != b'0');
        // Version 0 has four parts; later ones may have more.
        let whole = version != "00" || parts.next().is_none();
        (version != "ff" && whole && named(trace_id) && named(span_id)).then(|| TraceParent {
            trace_id: trace_id.to_owned(),
            span_id: span_id.to_owned(),
            sampled: u8::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 == 1),
        })
    }

    fn context(&self) -> Option<Context> {
        let trace = TraceId::from_hex(&self.trace_id).ok()?;
        let span = SpanId::from_hex(&self.span_id).ok()?;
        let flags = if self.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
        let parent = SpanContext::new(trace, span, flags, true, TraceState::default());
        Some(Context::new().with_remote_span_context(parent))
    }
}

/// Sends spans to a collector.
pub struct Spans {
    tracer: SdkTracer,
    provider: SdkTracerProvider,
}

/// A request that was answered.
pub struct Answered<'a> {
    /// Its method.
    pub method: &'static str,
    /// The pattern of its URL.
    pub route: &'a str,
    /// The status of its answer.
    pub status: u16,
    /// How long that took.
    pub took: Duration,
    /// Its id.
    pub request_id: &'a str,
    /// The trace it belongs to.
    pub parent: Option<&'a TraceParent>,
}

impl Spans {
    /// Starts to send to a collector, as `http://127.0.0.1:4318`. It is not asked whether it is there.
    ///
    /// # Errors
    /// When the URL is none.
    pub fn start(endpoint: &str) -> anyhow::Result<Spans> {
        let endpoint = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint)
            .with_timeout(Duration::from_secs(5))
            .build()
            .context(
                "failed to make ready for the collector; expected a URL as http://127.0.0.1:4318",
            )?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource =
            Resource::builder().with_service_name("rekindle-server").with_attribute(version);
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        Ok(Spans { tracer: provider.tracer("rekindle-server"), provider })
    }

    /// Records a request that has just been answered.
    pub fn record(&self, answered: &Answered<'_>) {
        let end = SystemTime::now();
        let Answered { method, route, status, took, request_id, parent } = *answered;
        let attributes = vec![
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.route", route.to_owned()),
            KeyValue::new("http.response.status_code", i64::from(status)),
            KeyValue::new("rekindle.request_id", request_id.to_owned()),
        ];
        let builder = self
            .tracer
            .span_builder(format!("{method} {route}"))
            .with_kind(SpanKind::Server)
            .with_start_time(end - took)
            .with_attributes(attributes);
        let context = parent.and_then(TraceParent::context).unwrap_or_default();
        let mut span = builder.start_with_context(&self.tracer, &context);
        if status >= 500 {
            span.set_status(Status::error(""));
        }
        span.end_with_timestamp(end);
    }

    /// Sends what waits, and no more. Waits for the collector, a few seconds at most.
    pub fn end(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(Duration::from_secs(5)) {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_taken_over_only_where_it_is_well_formed() {
        let trace =
            TraceParent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        assert_eq!(trace.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!((trace.span_id.as_str(), trace.sampled), ("00f067aa0ba902b7", true));
        for wrong in [
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "",
        ] {
            assert_eq!(TraceParent::parse(wrong), None, "{wrong}");
        }
    }
}
