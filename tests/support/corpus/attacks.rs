//! What is injected: attacks over WMI, what only looks like one, and what administrators do.

use super::chance::Random;
use super::event::Kind;
use super::making::{Wish, system32};

/// An event that is to happen.
pub(super) struct Planned {
    /// Milliseconds from the beginning.
    pub(super) at: i64,
    pub(super) host: usize,
    pub(super) kind: Kind,
    pub(super) wish: Wish,
}

/// What is injected, as often each.
const SCENES: [Scene; 10] = [
    Scene::Fast,
    Scene::Slow,
    Scene::TooLate,
    Scene::Reversed,
    Scene::TwoHosts,
    Scene::ExcludedProgram,
    Scene::Loopback,
    Scene::Audited,
    Scene::SystemIntegrity,
    Scene::SoftwareDistribution,
];

/// A connection and a child of WMI's provider host, in one way or another.
#[derive(Clone, Copy, PartialEq)]
enum Scene {
    /// Within a second and a half.
    Fast,
    /// After 5 to 15 s.
    Slow,
    /// After 25 to 40 s: no rule waits for so long.
    TooLate,
    /// The child before the connections.
    Reversed,
    /// The child on another host.
    TwoHosts,
    /// A child that administrators' tools start.
    ExcludedProgram,
    /// The connection comes from the host itself.
    Loopback,
    /// Both are seen by the Security channel alone.
    Audited,
    /// The child has the rights of the system.
    SystemIntegrity,
    /// Software is distributed, by a program that only some rules know.
    SoftwareDistribution,
}

/// Plans each scene so many times within `span_ms`, in order of time.
pub(super) fn plan(times: u64, span_ms: i64, hosts: usize, chance: &mut Random) -> Vec<Planned> {
    let mut planned = Vec::new();
    for _ in 0..times {
        for scene in SCENES {
            stage(scene, span_ms, hosts, chance, &mut planned);
        }
    }
    planned.sort_by_key(|planned| planned.at);
    planned
}

fn stage(scene: Scene, span_ms: i64, hosts: usize, chance: &mut Random, out: &mut Vec<Planned>) {
    let at = chance.between(0, span_ms - 45_000);
    let host = chance.below(hosts as u64) as usize;
    let dynamic_port = chance.between(49_700, 65_000) as u16;
    let peer = match scene {
        Scene::Loopback => "127.0.0.1".to_owned(),
        _ => format!("10.63.9.{}", chance.between(2, 250)),
    };
    let second_connection = chance.between(20, 200);
    let wait = match scene {
        Scene::Slow => chance.between(5_000, 15_000),
        Scene::TooLate => chance.between(25_000, 40_000),
        _ => chance.between(300, 1_500),
    };
    let (connections_at, child_at) = match scene {
        Scene::Reversed => (at + 400, at),
        _ => (at, at + wait),
    };
    let is_audited = scene == Scene::Audited;
    for (at, port) in [(connections_at, 135), (connections_at + second_connection, dynamic_port)] {
        let kind = if is_audited { Kind::AuditedConnection } else { Kind::Connection };
        out.push(Planned { at, host, kind, wish: accepted(port, peer.clone()) });
    }
    let host = if scene == Scene::TwoHosts { (host + 1) % hosts } else { host };
    let kind = if is_audited { Kind::AuditedProcess } else { Kind::ProcessCreate };
    out.push(Planned { at: child_at, host, kind, wish: child(scene, chance) });
}

/// A connection that `svchost.exe` accepts.
fn accepted(port: u16, peer: String) -> Wish {
    Wish {
        image: Some(system32("svchost.exe")),
        user: Some(r"NT AUTHORITY\NETWORK SERVICE"),
        is_incoming: Some(true),
        peer: Some(peer),
        port: Some(port),
        ..Wish::default()
    }
}

fn child(scene: Scene, chance: &mut Random) -> Wish {
    const SHELL: [&str; 6] =
        ["/Q", "/c", "whoami", "1>", r"\\127.0.0.1\ADMIN$\__1740821.33", "2>&1"];
    let attackers = [
        system32("cmd.exe"),
        system32(r"WindowsPowerShell\v1.0\powershell.exe"),
        system32("rundll32.exe"),
        r"C:\Users\Public\update.exe".to_owned(),
    ];
    let image = match scene {
        Scene::ExcludedProgram => {
            let tools = [system32("powercfg.exe"), system32(r"wbem\mofcomp.exe")];
            chance.pick(&tools).clone()
        }
        Scene::SoftwareDistribution => {
            let tools = [r"C:\Windows\CCM\ccmrepair.exe", r"C:\Windows\CCM\Ccm32BitLauncher.exe"];
            (*chance.pick(&tools)).to_owned()
        }
        _ => chance.pick(&attackers).clone(),
    };
    Wish {
        image: Some(image),
        parent_image: Some(system32(r"wbem\WmiPrvSE.exe")),
        args: Some(SHELL.to_vec()),
        integrity: Some(if scene == Scene::SystemIntegrity { "System" } else { "High" }),
        user: Some(if scene == Scene::Audited {
            r"NT AUTHORITY\NETWORK SERVICE"
        } else {
            r"LAB\operator7"
        }),
        ..Wish::default()
    }
}
