//! Scheduler and executor: Ballista's own, with our functions.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use ballista_core::config::TaskSchedulingPolicy;
use ballista_core::extension::SessionConfigExt;
use ballista_core::registry::BallistaFunctionRegistry;
use ballista_core::utils::{default_config_producer, default_session_builder};
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_process::{create_scheduler, start_grpc_service_with_listener};
use bytesize::ByteSize;
use clap::Parser;
use datafusion::execution::SessionState;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::SessionConfig;
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use rekindle_training::distributed::version;
use tokio::net::{TcpListener, TcpSocket};
use tonic::transport::Endpoint;

use crate::functions;

/// Largest message between machines: a plan says of each task where it is.
const MOST_BYTES: u32 = 64 << 20;
/// Bytes of stack of a thread that plans: plans are trees that are walked by recursion.
const STACK_BYTES: usize = 32 << 20;

/// Gives tasks to executors: Ballista's scheduler, with rekindle's functions
#[derive(Debug, Parser)]
#[command(name = "rekindle-scheduler", version)]
pub struct Scheduler {
    /// Address to listen at; everybody who reaches it can run jobs: keep it within a trusted network
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:50050",
        env = "REKINDLE_SCHEDULER_BIND"
    )]
    bind: SocketAddr,
    /// Name that executors reach it by [default: the address it listens at]
    #[arg(long, value_name = "NAME", env = "REKINDLE_SCHEDULER_NAME")]
    name: Option<String>,
    /// Seconds without a sign of life after which an executor's tasks are given to others
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(8..))]
    executor_timeout: u64,
}

/// Does tasks: Ballista's executor, with rekindle's functions
#[derive(Debug, Parser)]
#[command(name = "rekindle-executor", version)]
pub struct Executor {
    /// The scheduler, as scheduler:50050
    #[arg(
        long,
        value_name = "NAME:PORT",
        default_value = "127.0.0.1:50050",
        env = "REKINDLE_SCHEDULER"
    )]
    scheduler: String,
    /// Address to listen at; everybody who reaches it can read what is on its way: keep it within a trusted network
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:50051",
        env = "REKINDLE_EXECUTOR_BIND"
    )]
    bind: SocketAddr,
    /// Name that the others reach it by [default: the address it listens at]
    #[arg(long, value_name = "NAME", env = "REKINDLE_EXECUTOR_NAME")]
    name: Option<String>,
    /// Tasks at a time, a core each [default: the machine's cores]
    #[arg(long, value_name = "NUMBER", env = "REKINDLE_EXECUTOR_THREADS")]
    threads: Option<usize>,
    /// Memory for packets on their way, of all tasks together; each task's events are besides [default: 70 % of the
    /// machine's]
    #[arg(long, value_name = "SIZE")]
    memory: Option<ByteSize>,
    /// Folder for what is on its way between tasks [default: a new one among the system's temporary ones]
    #[arg(long, value_name = "FOLDER")]
    work_folder: Option<PathBuf>,
    /// Seconds to wait for a scheduler that is not there yet
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    wait: u16,
}

/// Connections between machines: one that does not answer is found out, rather than waited for.
fn alive(
    endpoint: Endpoint,
) -> std::result::Result<Endpoint, Box<dyn std::error::Error + Send + Sync>> {
    Ok(endpoint
        .connect_timeout(Duration::from_secs(10))
        .http2_keep_alive_interval(Duration::from_secs(5))
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(true))
}

/// A session of an executor's, whose connections to others are [`alive`].
fn connected() -> SessionConfig {
    default_config_producer().with_ballista_override_create_grpc_client_endpoint(Arc::new(alive))
}

/// A session of the scheduler's, in which plans may call our functions.
fn session(config: SessionConfig) -> datafusion::common::Result<SessionState> {
    let state = default_session_builder(config)?;
    let scalar = state.scalar_functions().values().cloned().chain(functions::scalar()).collect();
    let aggregate =
        state.aggregate_functions().values().cloned().chain(functions::aggregate()).collect();
    let state = SessionStateBuilder::new_from_existing(state);
    Ok(state.with_scalar_functions(scalar).with_aggregate_functions(aggregate).build())
}

fn registry() -> BallistaFunctionRegistry {
    let mut registry = BallistaFunctionRegistry::default();
    let scalar = functions::scalar().into_iter().map(|f| (f.name().to_owned(), f));
    registry.scalar_functions.extend(scalar);
    let aggregate = functions::aggregate().into_iter().map(|f| (f.name().to_owned(), f));
    registry.aggregate_functions.extend(aggregate);
    registry
}

/// The name that others reach an address by.
fn reached_by(name: Option<String>, bind: SocketAddr) -> Result<String> {
    match (name, bind.ip()) {
        (Some(name), _) => Ok(name),
        (None, ip) if ip.is_unspecified() => {
            bail!("--bind {bind}: expected --name as well, by which the others reach this machine")
        }
        (None, ip) => Ok(ip.to_string()),
    }
}

impl Scheduler {
    /// Runs until it is ended.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn run(self) -> Result<()> {
        log();
        let name = reached_by(self.name, self.bind)?;
        let mut config = SchedulerConfig::default()
            .with_hostname(name)
            .with_port(self.bind.port())
            .with_grpc_server_max_decoding_message_size(MOST_BYTES)
            .with_grpc_server_max_encoding_message_size(MOST_BYTES)
            .with_grpc_client_max_message_size(MOST_BYTES)
            .with_no_executors_grace_period_seconds(self.executor_timeout * 3)
            .with_override_create_grpc_client_endpoint(Arc::new(alive))
            // Executors ask for tasks. If tasks were pushed to them, a scheduler that has lost one would now and then
            // count another one's threads as taken for ever (Ballista 55.0).
            .with_scheduler_policy(TaskSchedulingPolicy::PullStaged)
            .with_override_session_builder(Arc::new(session));
        config.bind_host = self.bind.ip().to_string();
        config.executor_timeout_seconds = self.executor_timeout;
        config.expire_dead_executor_interval_seconds = (self.executor_timeout / 4).max(1);
        runtime(2)?.block_on(async {
            let cluster =
                BallistaCluster::new_from_config(&config).await.map_err(|e| anyhow!("{e}"))?;
            tracing::info!("rekindle {} schedules at {}", version(), self.bind);
            config.validate().map_err(|e| anyhow!("{e}"))?;
            let scheduler =
                create_scheduler::<LogicalPlanNode, PhysicalPlanNode>(cluster, Arc::new(config));
            let scheduler = scheduler.await.map_err(|e| anyhow!("{e}"))?;
            let listener = listening(self.bind)
                .with_context(|| format!("failed to listen at {}", self.bind))?;
            start_grpc_service_with_listener(listener, scheduler).await.map_err(|e| anyhow!("{e}"))
        })
    }
}

impl Executor {
    /// Runs until it is ended.
    ///
    /// # Errors
    /// When it cannot listen or finds no scheduler.
    pub fn run(self) -> Result<()> {
        log();
        let parts = self.scheduler.rsplit_once(':');
        let port = parts.and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
        let (scheduler_host, scheduler_port) =
            port.with_context(|| format!("--scheduler {}: expected NAME:PORT", self.scheduler))?;
        if scheduler_host.contains("://") {
            bail!("--scheduler {}: expected NAME:PORT, without http://", self.scheduler);
        }
        wait_for(&self.scheduler, Duration::from_secs(self.wait.into()))?;
        // Ballista says nothing of use of a port that is taken.
        drop(
            std::net::TcpListener::bind(self.bind)
                .with_context(|| format!("failed to listen at {}", self.bind))?,
        );
        let cores = || std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let threads = self.threads.unwrap_or_else(cores).max(1);
        // Tasks share the threads they compute on.
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
        let (made, folder) = match self.work_folder {
            Some(folder) => (None, folder),
            None => {
                let made =
                    std::env::temp_dir().join(format!("rekindle-executor-{}", std::process::id()));
                (Some(made.clone()), made)
            }
        };
        let failed = || format!("failed to use the work folder {}", folder.display());
        std::fs::create_dir_all(&folder).with_context(failed)?;
        let name = reached_by(self.name, self.bind)?;
        functions::name_machine(&format!("{name}:{}", self.bind.port()));
        let config = ExecutorProcessConfig {
            bind_host: self.bind.ip().to_string(),
            external_host: Some(name),
            port: self.bind.port(),
            scheduler_host,
            scheduler_port,
            scheduler_connect_timeout_seconds: self.wait,
            vcores: threads,
            task_scheduling_policy: TaskSchedulingPolicy::PullStaged,
            work_dir: Some(folder.display().to_string()),
            grpc_max_decoding_message_size: MOST_BYTES,
            grpc_max_encoding_message_size: MOST_BYTES,
            memory_pool_size: self.memory.map(|memory| memory.as_u64()),
            override_function_registry: Some(Arc::new(registry())),
            override_config_producer: Some(Arc::new(connected)),
            override_create_grpc_client_endpoint: Some(Arc::new(alive)),
            ..ExecutorProcessConfig::default()
        };
        let ended = runtime(threads.max(2))?.block_on(async {
            tracing::info!(
                "rekindle {} executes at {} with {threads} threads",
                version(),
                self.bind
            );
            start_executor_process(Arc::new(config)).await.map_err(|e| anyhow!("{e}"))
        });
        if let Some(made) = made {
            // What was on its way is worth nothing to anybody else.
            let _ = std::fs::remove_dir_all(made);
        }
        ended
    }
}

/// A listener whose connections send small answers at once: else every task waits some 40 ms for its turn, as both ends
/// wait for each other (Nagle's algorithm and delayed acknowledgements).
fn listening(bind: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if bind.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // Connections have it from their listener.
    socket.set_nodelay(true)?;
    socket.bind(bind)?;
    socket.listen(1_024)
}

/// Waits for a scheduler that may not be there yet.
fn wait_for(scheduler: &str, at_most: Duration) -> Result<()> {
    let begun = Instant::now();
    loop {
        let found = scheduler.to_socket_addrs().and_then(|mut addresses| {
            let address = addresses.next().ok_or(std::io::ErrorKind::NotFound)?;
            TcpStream::connect_timeout(&address, Duration::from_secs(5))
        });
        match found {
            Ok(_) => return Ok(()),
            Err(error) if begun.elapsed() >= at_most => {
                bail!(
                    "--scheduler {scheduler}: nothing answers there ({error}); start rekindle-scheduler first, or correct the address"
                )
            }
            Err(_) => std::thread::sleep(Duration::from_millis(500)),
        }
    }
}

fn runtime(threads: usize) -> Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let builder = builder.worker_threads(threads).thread_stack_size(STACK_BYTES).enable_all();
    builder.thread_keep_alive(Duration::from_secs(60)).build().context("failed to start")
}

/// What is worth knowing: jobs as they come. Executors that ask for tasks cannot be told to end them, which is no error.
const QUIET: &str = "warn,rekindle_cluster=info,ballista_scheduler::scheduler_server::grpc=info,\
                     ballista_scheduler::state::executor_manager=off,ballista_executor::execution_loop=error";

/// What happens, on standard error: as `RUST_LOG` says, else what is worth knowing.
fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| QUIET.into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
