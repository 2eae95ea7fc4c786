//! A real Apache Kafka broker (or a cluster of up to three) for the tests of one binary.
//!
//! Needs Java 17 and the jars that `make kafka-jars` fetches. Where either is missing the tests that need it are
//! reported as not run; with `CI=true` they fail. A broker lives as long as the test process, however that ends.

#![allow(dead_code, reason = "each test binary uses its own part of the fixture")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test support")]

mod secure;

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use secure::Secrets;

/// How long a cluster may take to answer; a busy machine needs many times the usual three seconds.
const START_DEADLINE: Duration = Duration::from_secs(120);
const ADMIN_TIMEOUT: Duration = Duration::from_secs(30);
/// Any 22 characters of URL-safe base64 that decode to 16 bytes.
const CLUSTER_ID: &str = "TWF4c3BhbiBicm9rZXIgMQ";

/// Why no broker can be had on this machine.
#[derive(Debug)]
pub(crate) struct Unavailable(String);

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How the program under test comes into a cluster. Tests themselves always come in plain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Entrance {
    /// Without encryption and without a name.
    Plain,
    /// By TLS, with name and password (SCRAM-SHA-512); the brokers talk to each other like that too.
    Secure,
}

/// What a cluster is made of.
#[derive(Clone, Copy)]
pub(crate) struct Plan<'p> {
    /// How many brokers there are.
    pub(crate) nodes: usize,
    pub(crate) entrance: Entrance,
    /// More lines of the brokers' settings.
    pub(crate) more: &'p str,
}

/// A running cluster; dropped, it is killed and its files are removed.
pub(crate) struct Broker {
    nodes: Vec<Node>,
    /// There if the program's entrance is secure.
    secrets: Option<Secrets>,
    // Declared after the nodes: their processes end before their files go.
    _dir: tempfile::TempDir,
}

impl Broker {
    /// Starts `nodes` brokers on free loopback ports and waits until all of them answer.
    ///
    /// # Panics
    /// When the means are there and the cluster still does not come up; the ends of its logs are in the message.
    pub(crate) fn start(nodes: usize) -> Result<Self, Unavailable> {
        Self::start_as(Plan { nodes, entrance: Entrance::Plain, more: "" })
    }

    /// Starts a cluster by a plan, as [`Broker::start`] does; in the lines of settings that it adds
    /// `@client@` and `@controller@` stand for the ports that a node has for these.
    pub(crate) fn start_as(plan: Plan<'_>) -> Result<Self, Unavailable> {
        let tools = Tools::find(plan.nodes)?;
        match Self::try_start(&tools, plan) {
            Ok(broker) => Ok(broker),
            // Between choosing a free port and listening on it another process may have taken it.
            Err(first) => Ok(Self::try_start(&tools, plan)
                .unwrap_or_else(|second| panic!("kafka did not start, twice:\n{first}\n{second}"))),
        }
    }

    /// Starts a cluster for `what`; where that is not possible, notes that `what` was not run.
    ///
    /// # Panics
    /// With `CI=true` where no broker can be had, and as [`Broker::start`] does.
    pub(crate) fn start_or_not_run(nodes: usize, what: &str) -> Option<Self> {
        Self::start_with_or_not_run(nodes, "", what)
    }

    /// Starts a cluster with `more` settings for `what`, as [`Broker::start_or_not_run`] does.
    pub(crate) fn start_with_or_not_run(nodes: usize, more: &str, what: &str) -> Option<Self> {
        Self::start_as_or_not_run(Plan { nodes, entrance: Entrance::Plain, more }, what)
    }

    /// Starts a cluster by a plan for `what`, as [`Broker::start_or_not_run`] does.
    pub(crate) fn start_as_or_not_run(plan: Plan<'_>, what: &str) -> Option<Self> {
        match Self::start_as(plan) {
            Ok(broker) => Some(broker),
            Err(reason) => {
                not_run(what, &reason);
                None
            }
        }
    }

    /// Returns the addresses of all brokers, as `bootstrap.servers` wants them.
    pub(crate) fn bootstrap(&self) -> String {
        let addresses: Vec<String> =
            self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.ports.client)).collect();
        addresses.join(",")
    }

    /// Returns the addresses by which the program comes in.
    pub(crate) fn entrance(&self) -> String {
        let Some(_) = self.secrets else { return self.bootstrap() };
        let addresses: Vec<String> =
            self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.ports.secure)).collect();
        addresses.join(",")
    }

    /// Returns the lines of the program's `[kafka]` that it needs to come in.
    pub(crate) fn entrance_settings(&self) -> String {
        self.secrets.as_ref().map(Secrets::of_program).unwrap_or_default()
    }

    /// Returns client settings that point at this cluster and nothing else.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap());
        config
    }

    /// Returns where a test may put itself between clients and a node (counted from 0), and the port
    /// that the node listens on behind it: whoever comes to that port is sent back to the listener.
    pub(crate) fn between(&self, node: usize) -> (TcpListener, u16) {
        let node = &self.nodes[node];
        (node.front.try_clone().unwrap(), node.ports.behind)
    }

    /// Returns how many bytes the log of a partition takes on the first node.
    pub(crate) fn bytes_of(&self, topic: &str, partition: i32) -> u64 {
        let log = self.nodes[0].dir.join("data").join(format!("{topic}-{partition}"));
        let files = fs::read_dir(log).unwrap().map(|file| file.unwrap());
        let segments = files.filter(|file| file.path().extension().is_some_and(|end| end == "log"));
        segments.map(|file| file.metadata().unwrap().len()).sum()
    }

    /// Creates a topic, replicated to as many nodes as there are, up to three.
    ///
    /// # Panics
    /// When the broker refuses.
    pub(crate) fn create_topic(&self, name: &str, partitions: i32, config: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let replicas = i32::try_from(self.nodes.len().min(3)).unwrap();
        let topic = config.iter().fold(
            NewTopic::new(name, partitions, TopicReplication::Fixed(replicas)),
            |topic, (key, value)| topic.set(key, value),
        );
        let options = AdminOptions::new().operation_timeout(Some(ADMIN_TIMEOUT));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let results = runtime.block_on(admin.create_topics([&topic], &options)).unwrap();
        for result in results {
            result.unwrap_or_else(|(topic, code)| panic!("cannot create topic {topic}: {code}"));
        }
    }

    /// Gives a user a password, for logins by SCRAM.
    ///
    /// # Panics
    /// When the broker refuses.
    pub(crate) fn add_user(&self, name: &str, password: &str) {
        let tools = Tools::find(self.nodes.len()).unwrap();
        // One request may change a user's credentials once.
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            let added = format!("{mechanism}=[password={password}]");
            let output = tools
                .java("kafka.admin.ConfigCommand")
                .args([
                    "--bootstrap-server",
                    &self.bootstrap(),
                    "--alter",
                    "--entity-type",
                    "users",
                ])
                .args(["--entity-name", name, "--add-config", &added])
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }

    /// Kills one node (counted from 0) as a power cut would; its files stay for [`Broker::restart_node`].
    pub(crate) fn kill_node(&self, node: usize) {
        self.nodes[node].kill();
    }

    /// Starts a killed node again on its old files and port, and waits until all live nodes answer.
    ///
    /// # Panics
    /// When it does not come up.
    pub(crate) fn restart_node(&self, node: usize) {
        self.start_node(node);
        self.wait_nodes();
    }

    /// Starts all nodes that do not run, and waits until all nodes answer.
    ///
    /// # Panics
    /// When one does not come up.
    pub(crate) fn restart_dead_nodes(&self) {
        for node in (0..self.nodes.len()).filter(|node| self.nodes[*node].guard().is_none()) {
            self.start_node(node);
        }
        self.wait_nodes();
    }

    /// Stops the process of one node where it is, as a long pause of its machine would.
    pub(crate) fn freeze_node(&self, node: usize) {
        self.nodes[node].tell("stop\n");
    }

    /// Has a frozen node go on.
    pub(crate) fn thaw_node(&self, node: usize) {
        self.nodes[node].tell("cont\n");
    }

    fn start_node(&self, node: usize) {
        self.nodes[node].spawn(&Tools::find(self.nodes.len()).unwrap());
    }

    fn wait_nodes(&self) {
        self.wait_ready().unwrap_or_else(|failure| panic!("kafka did not start again:\n{failure}"));
    }

    fn try_start(tools: &Tools, plan: Plan<'_>) -> Result<Self, String> {
        let dir = tempfile::Builder::new()
            .prefix("broker-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .unwrap();
        let ports: Vec<Ports> = free_ports(4 * plan.nodes).chunks(4).map(Ports::of).collect();
        let secrets = (plan.entrance == Entrance::Secure).then(|| Secrets::make(dir.path()));
        let format = |n| Node::format(tools, dir.path(), n, &ports, secrets.as_ref(), plan.more);
        let nodes = (0..plan.nodes).map(format).collect();
        let broker = Self { nodes, secrets, _dir: dir };
        for node in &broker.nodes {
            node.spawn(tools);
        }
        broker.wait_ready()?;
        Ok(broker)
    }

    /// Asks for metadata until every live node is listed in the answer.
    fn wait_ready(&self) -> Result<(), String> {
        let probe: BaseConsumer =
            self.client().set("reconnect.backoff.max.ms", "200").create().unwrap();
        let live = self.nodes.iter().filter(|node| node.guard().is_some()).count();
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            if let Some(dead) = self.nodes.iter().find_map(Node::died) {
                return Err(dead);
            }
            match probe.fetch_metadata(None, Duration::from_millis(500)) {
                Ok(metadata) if metadata.brokers().len() >= live => return Ok(()),
                _ if Instant::now() > deadline => {
                    let tails: Vec<String> = self.nodes.iter().map(Node::log_tail).collect();
                    return Err(format!("no answer in {START_DEADLINE:?}:\n{}", tails.join("\n")));
                }
                _ => thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}

/// One broker process, with what is needed to start it again.
struct Node {
    ports: Ports,
    /// Where clients are sent that came to the port behind it.
    front: TcpListener,
    dir: PathBuf,
    guard: Mutex<Option<Child>>,
}

/// What a node listens on.
#[derive(Clone, Copy)]
struct Ports {
    client: u16,
    controller: u16,
    /// Clients that come here are told to come to the node's `front`.
    behind: u16,
    /// For those who come by TLS and with a name, if there are any.
    secure: u16,
}

impl Ports {
    fn of(ports: &[u16]) -> Self {
        Self { client: ports[0], controller: ports[1], behind: ports[2], secure: ports[3] }
    }
}

impl Node {
    /// Writes the settings of node `n` (from 0) and formats its storage.
    fn format(
        tools: &Tools,
        base: &Path,
        n: usize,
        ports: &[Ports],
        secrets: Option<&Secrets>,
        more: &str,
    ) -> Self {
        let dir = base.join(format!("node{n}"));
        fs::create_dir_all(&dir).unwrap();
        let front = TcpListener::bind("127.0.0.1:0").unwrap();
        let sent_to = front.local_addr().unwrap().port();
        let more = more
            .replace("@client@", &ports[n].client.to_string())
            .replace("@controller@", &ports[n].controller.to_string());
        let secure = secrets.map(|secrets| secrets.of_node(ports[n], sent_to)).unwrap_or_default();
        // Of two lines for one setting the later one holds.
        let properties = properties(&dir, n, ports, sent_to) + &secure + &more;
        fs::write(dir.join("server.properties"), properties).unwrap();
        let node = Self { ports: ports[n], front, dir, guard: Mutex::default() };
        let status = tools
            .java("kafka.tools.StorageTool")
            .args(["format", "-t", CLUSTER_ID, "-c"])
            .arg(node.dir.join("server.properties"))
            .args(secrets.map(Secrets::for_storage).into_iter().flatten())
            .stdout(node.log())
            .stderr(node.log())
            .status()
            .unwrap();
        assert!(status.success(), "cannot format the storage of kafka:\n{}", node.log_tail());
        node
    }

    fn guard(&self) -> MutexGuard<'_, Option<Child>> {
        self.guard.lock().unwrap_or_else(|failed| failed.into_inner())
    }

    fn spawn(&self, tools: &Tools) {
        let broker = {
            let mut java = tools.java("kafka.Kafka");
            java.arg(self.dir.join("server.properties"));
            java
        };
        let guard = Command::new("sh")
            .arg(support("guard.sh"))
            .arg(&self.dir)
            .arg(broker.get_program())
            .args(broker.get_args())
            .stdin(Stdio::piped())
            .stdout(self.log())
            .stderr(self.log())
            .spawn()
            .unwrap();
        *self.guard() = Some(guard);
    }

    fn kill(&self) {
        let mut guard = self.guard().take().expect("the node runs");
        guard.stdin.take().unwrap().write_all(b"kill\n").unwrap();
        guard.wait().unwrap();
    }

    /// Says something to the guard.
    fn tell(&self, line: &str) {
        let mut guard = self.guard();
        let guard = guard.as_mut().expect("the node runs");
        guard.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
    }

    /// Returns the end of the log if the process has ended by itself.
    fn died(&self) -> Option<String> {
        let status = self.guard().as_mut()?.try_wait().unwrap()?;
        Some(format!("kafka ended with {status}:\n{}", self.log_tail()))
    }

    fn log(&self) -> File {
        let path = self.dir.join("broker.log");
        OpenOptions::new().create(true).append(true).open(path).unwrap()
    }

    fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.dir.join("broker.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let guard = self.guard().take();
        if let Some(mut guard) = guard {
            // The end of the pipe tells the guard to kill the broker and to remove its files.
            drop(guard.stdin.take());
            let _ = guard.wait();
        }
    }
}

/// What a broker is started with.
struct Tools {
    java: PathBuf,
    jars: PathBuf,
    /// The most memory that a node of this cluster may take.
    heap: &'static str,
}

impl Tools {
    fn find(nodes: usize) -> Result<Self, Unavailable> {
        let java = match std::env::var_os("JAVA_HOME") {
            Some(home) => Path::new(&home).join("bin/java"),
            None => PathBuf::from("java"),
        };
        let major = java_major(&java)
            .ok_or_else(|| Unavailable("no Java: install openjdk-17-jre-headless".to_owned()))?;
        if major < 17 {
            return Err(Unavailable(format!("Java 17 or newer is needed, this is Java {major}")));
        }
        let kafka = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/kafka");
        if !kafka.join(".complete").exists() {
            return Err(Unavailable("no Kafka jars: run `make kafka-jars`".to_owned()));
        }
        let heap = if nodes > 1 { "-Xmx384m" } else { "-Xmx512m" };
        Ok(Self { java, jars: kafka.join("lib"), heap })
    }

    fn java(&self, main_class: &str) -> Command {
        let mut logging = std::ffi::OsString::from("-Dlog4j2.configurationFile=");
        logging.push(support("log4j2.properties"));
        let mut command = Command::new(&self.java);
        command.args(["-Xms256m", self.heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        command.arg(logging).arg("-cp").arg(self.jars.join("*")).arg(main_class);
        command
    }
}

fn java_major(java: &Path) -> Option<u32> {
    let output = Command::new(java).arg("-version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let digits = text.split('"').nth(1)?.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// Notes that `what` was not run, in the output and in the list that `make test` prints last.
///
/// # Panics
/// With `CI=true`, where everything has to run.
pub(crate) fn not_run(what: &str, reason: &dyn fmt::Display) {
    let line = format!("not run: {what}: {reason}");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{line}");
    println!("{line}");
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/not-run.txt");
    // One write: lines of tests that end at the same moment do not mix.
    let mut list = OpenOptions::new().create(true).append(true).open(list).unwrap();
    list.write_all(format!("{line}\n").as_bytes()).unwrap();
}

fn support(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/kafka").join(file)
}

/// Returns ports that were free a moment ago, all different.
fn free_ports(count: usize) -> Vec<u16> {
    let held: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    held.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

/// Settings of node `n`: broker and controller in one process, timers and logs shrunk for tests.
fn properties(dir: &Path, n: usize, ports: &[Ports], sent_to: u16) -> String {
    let voters: Vec<String> = ports
        .iter()
        .zip(1..)
        .map(|(ports, id)| format!("{id}@127.0.0.1:{}", ports.controller))
        .collect();
    let replicas = ports.len().min(3);
    format!(
        "process.roles=broker,controller
node.id={id}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{client},BEHIND://127.0.0.1:{behind},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{client},BEHIND://127.0.0.1:{sent_to}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,BEHIND:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=500
offsets.topic.num.partitions=3
offsets.topic.replication.factor={replicas}
transaction.state.log.num.partitions=3
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={in_sync}
min.insync.replicas={in_sync}
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
log.retention.check.interval.ms=1000
offsets.retention.check.interval.ms=1000
log.initial.task.delay.ms=1000
log.segment.bytes=1048576
",
        id = n + 1,
        voters = voters.join(","),
        client = ports[n].client,
        behind = ports[n].behind,
        controller = ports[n].controller,
        data = dir.join("data").display(),
        in_sync = if replicas > 2 { 2 } else { 1 },
    )
}
