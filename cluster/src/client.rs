//! Who gives a job to the scheduler, and waits for its end.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ballista_core::serde::BallistaLogicalExtensionCodec;
use ballista_core::serde::protobuf::execute_query_params::Query;
use ballista_core::serde::protobuf::execute_query_result::Result as Answer;
use ballista_core::serde::protobuf::job_status::Status;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::serde::protobuf::{
    CancelJobParams, ExecuteQueryParams, GetJobStatusParams, KeyValuePair,
};
use ballista_core::version::insert_version_header;
use datafusion_proto::logical_plan::AsLogicalPlan;
use datafusion_proto::protobuf::LogicalPlanNode;
use rekindle_training::distributed::{Connect, Engine, Job};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tonic::transport::{Channel, Endpoint};

use crate::plans::{partitions, plan};

/// Between two looks at a job: at first, for it may be short, and at most.
const FIRST_LOOK: Duration = Duration::from_millis(5);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Between two times that whoever waits is told: for them, folders are listed.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// For how long an answer is waited for,
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// and a scheduler that does not answer is asked again.
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest message: a plan says of each task where it is.
const MOST_BYTES: usize = 64 << 20;

/// Ballista clusters.
#[derive(Debug, Clone, Copy)]
pub struct Ballista;

/// One of them.
struct Cluster {
    url: String,
    runtime: Runtime,
    client: SchedulerGrpcClient<Channel>,
}

impl Connect for Ballista {
    fn connect(&self, url: &str) -> Result<Box<dyn Engine>> {
        Ok(Box::new(Cluster::connect(url)?))
    }
}

impl Cluster {
    fn connect(url: &str) -> Result<Cluster> {
        let Some(address) = url.strip_prefix("http://").filter(|address| !address.is_empty())
        else {
            bail!(
                "--cluster {url}: expected the address of a rekindle-scheduler, as http://scheduler:50050 (there is no \
                 encryption: keep it within a trusted network)"
            );
        };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let endpoint = Endpoint::from_shared(url.to_owned());
        let endpoint = endpoint.with_context(|| {
            format!("--cluster {url}: expected an address, as http://scheduler:50050")
        })?;
        let endpoint =
            endpoint.connect_timeout(ANSWER_WITHIN).timeout(ANSWER_WITHIN).tcp_nodelay(true);
        let channel = runtime.block_on(endpoint.connect()).with_context(|| {
            format!("--cluster {url}: nothing answers at {address}; start rekindle-scheduler there, or correct the address")
        })?;
        let client = SchedulerGrpcClient::new(channel)
            .max_decoding_message_size(MOST_BYTES)
            .max_encoding_message_size(MOST_BYTES);
        Ok(Cluster { url: url.to_owned(), runtime, client })
    }

    /// Gives a job to the scheduler and tells its id.
    fn submit(&self, job: &Job) -> Result<String> {
        let plan = plan(job).context("failed to plan the job")?;
        let node = LogicalPlanNode::try_from_logical_plan(
            &plan,
            &BallistaLogicalExtensionCodec::default(),
        );
        let mut bytes = Vec::new();
        node.and_then(|node| node.try_encode(&mut bytes))
            .context("failed to write the plan of the job")?;
        let setting =
            |(key, value): (&str, String)| KeyValuePair { key: key.to_owned(), value: Some(value) };
        let settings = [
            ("ballista.job.name", job.name.clone()),
            // Rows are few and large: how many there are says nothing of how much work they are.
            ("ballista.planner.adaptive.enabled", "false".to_owned()),
            ("ballista.scheduler.max_partitions_per_task", "1".to_owned()),
            // Packets are compressed by who makes them.
            ("ballista.shuffle.compression.codec", "none".to_owned()),
            ("datafusion.execution.target_partitions", partitions(job).to_string()),
            ("datafusion.execution.batch_size", "8".to_owned()),
        ];
        let mut session = [0; 16];
        getrandom::fill(&mut session).context("failed to draw the name of a session")?;
        let mut request = tonic::Request::new(ExecuteQueryParams {
            session_id: session.iter().map(|byte| format!("{byte:02x}")).collect(),
            operation_id: String::new(),
            settings: settings.map(setting).to_vec(),
            query: Some(Query::LogicalPlan(bytes)),
        });
        insert_version_header(request.metadata_mut());
        let answer = self.runtime.block_on(self.client.clone().execute_query(request));
        let answer = answer.map_err(|e| match e.code() {
            tonic::Code::Unimplemented => {
                anyhow::anyhow!(
                    "{} is no rekindle-scheduler, which takes jobs: is it an executor?",
                    self.url
                )
            }
            code => anyhow::anyhow!("{} refuses the job: {code}: {}", self.url, e.message()),
        })?;
        match answer.into_inner().result {
            Some(Answer::Success(accepted)) => Ok(accepted.job_id),
            Some(Answer::Failure(failure)) => {
                bail!(
                    "{} cannot run the job: {failure:?}; run one version of rekindle everywhere",
                    self.url
                )
            }
            None => bail!("{} answers nothing to a job", self.url),
        }
    }

    /// How a job is; `None` where the scheduler does not know it.
    fn status(&self, id: &str) -> Result<Option<Status>, tonic::Status> {
        let asked = GetJobStatusParams { job_id: id.to_owned() };
        let answer = self.runtime.block_on(self.client.clone().get_job_status(asked))?;
        Ok(answer.into_inner().status.and_then(|status| status.status))
    }

    fn cancel(&self, id: &str) -> Result<()> {
        let asked = CancelJobParams { job_id: id.to_owned() };
        let answer = self.runtime.block_on(self.client.clone().cancel_job(asked));
        answer
            .map(|_| ())
            .map_err(|e| anyhow::anyhow!("{} does not end job {id}: {}", self.url, e.message()))
    }
}

impl Engine for Cluster {
    fn run(&self, job: &Job, watch: &mut dyn FnMut(&str)) -> Result<()> {
        let ended = Ending::begin()?;
        let id = self.submit(job)?;
        let (mut heard, mut long) = (Instant::now(), FIRST_LOOK);
        let mut told = None::<Instant>;
        loop {
            std::thread::sleep(long);
            if ended.is_asked() {
                self.cancel(&id)?;
                bail!(
                    "job {id} was ended, once the tasks under way are; what is done is kept: the same command goes on from there"
                );
            }
            long = (long * 5 / 4).min(LOOK_EVERY);
            if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                watch(&id);
                told = Some(Instant::now());
            }
            match self.status(&id) {
                Ok(Some(Status::Successful(_))) => return Ok(()),
                Ok(Some(Status::Failed(failed))) => {
                    bail!("job {id} failed: {}", reason(&failed.error))
                }
                Ok(Some(Status::Queued(_) | Status::Running(_))) => heard = Instant::now(),
                Ok(None) => bail!(
                    "the scheduler at {} does not know job {id} any more: it was started anew meanwhile, and its jobs are \
                     lost; what is done is kept: the same command goes on from there",
                    self.url
                ),
                // A channel connects anew by itself.
                Err(error) if heard.elapsed() >= PATIENCE => bail!(
                    "the scheduler at {} does not answer any more ({}); what is done is kept: once it is there \
                     again, the same command goes on from there",
                    self.url,
                    error.message()
                ),
                Err(_) => {}
            }
        }
    }
}

/// Whether the user has asked a job to end: by Ctrl-C, or by ending the process. Asked twice, or while no job runs, the
/// process ends.
struct Ending;

/// Jobs under way, and whether they are asked to end.
static JOBS: AtomicUsize = AtomicUsize::new(0);
static ASKED: AtomicBool = AtomicBool::new(false);

impl Ending {
    /// Listens, from now on and for as long as the process lives.
    fn begin() -> Result<Ending> {
        static LISTENS: OnceLock<()> = OnceLock::new();
        if LISTENS.get().is_none() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let within = runtime.enter();
            let of = |kind| signal(kind).context("failed to listen for Ctrl-C");
            let (mut interrupt, mut terminate, mut hangup) = (
                of(SignalKind::interrupt())?,
                of(SignalKind::terminate())?,
                of(SignalKind::hangup())?,
            );
            drop(within);
            std::thread::spawn(move || {
                runtime.block_on(async {
                    loop {
                        tokio::select! {
                            _ = interrupt.recv() => {}
                            _ = terminate.recv() => {}
                            _ = hangup.recv() => {}
                        }
                        if JOBS.load(Ordering::SeqCst) == 0 || ASKED.swap(true, Ordering::SeqCst) {
                            std::process::exit(ENDED);
                        }
                    }
                });
            });
            let _ = LISTENS.set(());
        }
        JOBS.fetch_add(1, Ordering::SeqCst);
        Ok(Ending)
    }

    fn is_asked(&self) -> bool {
        ASKED.load(Ordering::SeqCst)
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        JOBS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The exit code of a process that was ended, as shells have it.
const ENDED: i32 = 130;

/// What went wrong, without the layers it came through: the text that a call failed with, else all of it.
fn reason(error: &str) -> String {
    const MARK: &str = "Execution(\"";
    let Some(place) = error.rfind(MARK) else { return error.to_owned() };
    let mut text = String::new();
    let mut letters = error[place + MARK.len()..].chars();
    // It is written as Rust writes texts.
    while let Some(letter) = letters.next() {
        match letter {
            '"' => break,
            '\\' => match letters.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                // \u{1b} and so on: of no use in a message.
                Some('u') => _ = letters.by_ref().find(|letter| *letter == '}'),
                Some(escaped) => text.push(escaped),
                None => break,
            },
            plain => text.push(plain),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_told_without_the_layers_it_came_through() {
        let layers = r#"Job failed due to stage 2 failed: DataFusionError(Shared(Execution("a.csv: no column \"k\"\nx")))"#;
        assert_eq!(reason(layers), "a.csv: no column \"k\"\nx");
        assert_eq!(reason("all executors were lost"), "all executors were lost");
    }
}
