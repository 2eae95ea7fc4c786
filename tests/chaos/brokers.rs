//! Brokers that die: the only one, leaders, coordinators, too many at once.

use super::*;

#[test]
fn c11_the_only_broker_dies_and_comes_back() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    // Longer than the broker is away: one that finds a transaction overdue while it is starting
    // aborts it without a mark in the partitions (seen with Kafka 4.3.1; it needs another broker
    // to be right about that).
    let setup = setup_of(broker, "broker-restart", RULES, AMPLE);
    let instances = [setup.instance(0), setup.instance(1)];
    wait_shared(&setup, &[&instances[0], &instances[1]]);
    // While the broker is away the load waits in the producer's own buffer.
    under_load(&setup, || {
        wait_delivered(&[&instances[0], &instances[1]], 50.0);
        broker.kill_node(0);
        std::thread::sleep(Duration::from_secs(2));
        broker.restart_node(0);
    });
    let instances = supervise(&setup, instances);
    check(&setup);
    end(instances);
    done(began, "the only broker killed and started again");
}

/// Waits until all instances are ready, and does what a supervisor does for those that end: the
/// client may have lost track of a broker for good.
fn supervise(setup: &Setup<'_>, instances: [Instance; 2]) -> [Instance; 2] {
    let mut instances = instances;
    let deadline = Instant::now() + DEADLINE;
    while !instances.iter().all(|i| i.get("/readyz").is_some_and(|(status, _)| status == 200)) {
        assert!(Instant::now() < deadline, "not ready:\n{}", instances[0].log());
        for (number, instance) in instances.iter_mut().enumerate() {
            if let Some(status) = instance.child.try_wait().unwrap() {
                assert_ne!(status.code(), Some(0), "ended without a reason");
                println!("chaos: started again: {}", instance.log().lines().last().unwrap());
                *instance = setup.instance(number);
            }
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    instances
}

/// Kills the leader of a topic's first partition under load.
fn leader_dies(name: &str, kind: &str) {
    let Some((cluster, _turn)) = cluster() else { return };
    let began = Instant::now();
    let setup = setup(cluster, name);
    let instances = [setup.instance(0), setup.instance(1)];
    wait_shared(&setup, &[&instances[0], &instances[1]]);
    let topic = format!("{name}-{kind}");
    let node = under_load(&setup, || {
        wait_delivered(&[&instances[0], &instances[1]], 50.0);
        let node = cluster.leader(&topic, 0).unwrap();
        cluster.kill_node(node);
        cluster.until("another leads", || {
            cluster.leader(&topic, 0).is_some_and(|leader| leader != node)
        });
        node
    });
    // All is found while the node is away.
    check(&setup);
    instances.iter().for_each(Instance::wait_ready);
    cluster.restart_node(node);
    end(instances);
    done(began, &format!("leader of the {kind} topic killed"));
}

#[test]
fn c11_leader_of_the_input_dies() {
    leader_dies("input-leader", "in");
}

#[test]
fn c11_leader_of_the_alerts_dies() {
    leader_dies("alerts-leader", "alerts");
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Coordinator {
    Group,
    Transactions,
}

/// Kills a coordinator while a transaction of one of two instances is open, held at `place`.
fn coordinator_dies(which: Coordinator, place: &str, transaction: u32) {
    let Some((cluster, _turn)) = cluster() else { return };
    let began = Instant::now();
    let stem = format!("{which:?}-{place}-{transaction}").to_lowercase().replace('_', "-");
    let name = with_two_coordinators(cluster, &stem);
    let setup = setup_of(cluster, &name, RULES, transaction);
    let survivor = setup.instance(0);
    let held = setup.directory.path().join("held");
    let other = setup.instance_that(1, &format!("{place}:4:HOLD={}", held.display()));
    wait_shared(&setup, &[&survivor, &other]);
    let coordinator = || match which {
        Coordinator::Group => cluster.coordinator_of_group(&name),
        Coordinator::Transactions => cluster.coordinator_of_transactions(&id_of(&name)),
    };
    let node = under_load(&setup, || {
        other.wait_for("is held", |_| held.exists());
        let node = coordinator().unwrap();
        cluster.kill_node(node);
        cluster.until("another coordinates", || coordinator().is_some_and(|now| now != node));
        std::fs::remove_file(&held).unwrap();
        node
    });
    check(&setup);
    [&survivor, &other].into_iter().for_each(Instance::wait_ready);
    cluster.restart_node(node);
    end([survivor, other]);
    done(began, &format!("{which:?} coordinator killed {place}, timeout {transaction} ms"));
}

fn id_of(group: &str) -> String {
    format!("{group}-instance-1")
}

/// Returns a name for a group whose two coordinators are two nodes: only one of them is to move.
fn with_two_coordinators(cluster: &Broker, stem: &str) -> String {
    make_internal_topics(cluster);
    let is_apart = |name: &String| {
        let group = cluster.coordinator_of_group(name);
        group.is_some() && group != cluster.coordinator_of_transactions(&id_of(name))
    };
    (0..100).map(|n| format!("{stem}-{n}")).find(is_apart).unwrap()
}

/// The internal topics come into being when they are first needed.
fn make_internal_topics(cluster: &Broker) {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| {
        let setup = setup(cluster, "internal");
        let instance = setup.instance(0);
        under_load_of(&setup, 0..2, send_pair, || wait_delivered(&[&instance], 2.0));
        end([instance]);
    });
}

#[test]
fn c12_group_coordinator_dies_in_a_transaction() {
    coordinator_dies(Coordinator::Group, "after_produce", AMPLE);
    coordinator_dies(Coordinator::Group, "after_offsets", AMPLE);
    coordinator_dies(Coordinator::Group, "after_offsets", BRIEF);
}

#[test]
fn c13_transaction_coordinator_dies_in_a_transaction() {
    coordinator_dies(Coordinator::Transactions, "after_begin", AMPLE);
    coordinator_dies(Coordinator::Transactions, "after_produce", AMPLE);
    coordinator_dies(Coordinator::Transactions, "before_commit", AMPLE);
    coordinator_dies(Coordinator::Transactions, "before_commit", BRIEF);
}

#[test]
fn c29_outputs_wait_for_replicas() {
    let Some((cluster, _turn)) = cluster() else { return };
    let began = Instant::now();
    let setup = setup(cluster, "replicas");
    cluster.set_topic("replicas-alerts", &[("min.insync.replicas", "3")]);
    let instance = setup.instance(0);
    instance.wait_ready();
    let node = cluster.leader("replicas-alerts", 0).unwrap();
    under_load(&setup, || {
        wait_delivered(&[&instance], 50.0);
        cluster.kill_node(node);
        // Neither alerts nor the ends of transactions are taken by so few replicas.
        instance.wait_for("output waits", is_unready);
    });
    cluster.restart_node(node);
    instance.wait_ready();
    check(&setup);
    end([instance]);
    done(began, "one of three replicas missing where three are wanted");
}

#[test]
fn c29_two_of_three_brokers_die() {
    let Some((cluster, _turn)) = cluster() else { return };
    let began = Instant::now();
    let setup = setup(cluster, "majority");
    let instances = [setup.instance(0), setup.instance(1)];
    wait_shared(&setup, &[&instances[0], &instances[1]]);
    let first = cluster.leader("majority-alerts", 0).unwrap();
    under_load(&setup, || {
        wait_delivered(&[&instances[0], &instances[1]], 50.0);
        let both = [first, (first + 1) % 3];
        both.iter().for_each(|node| cluster.kill_node(*node));
        instances[0].wait_for("output waits", is_unready);
        cluster.restart_dead_nodes();
    });
    instances.iter().for_each(Instance::wait_ready);
    check(&setup);
    end(instances);
    done(began, "two of three brokers killed and started again");
}
