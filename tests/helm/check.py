"""Checks the chart and the Dockerfile: lint, renders, schemas, and what the pods must and must not be.

Run by `make helm-check` with the Python of target/tools. `--write` regenerates helm/README.md.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib

import kubernetes_validate
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "helm"
HELM = ROOT / "target/tools/bin/helm"
HADOLINT = ROOT / "target/tools/venv/bin/hadolint"
CI_VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
# The oldest version that the chart allows, and the newest that the schemas know.
KUBERNETES = ["1.27", "1.37"]
# Kinds that come from operators have no schema here.
NO_SCHEMA = {"PodMonitor"}

CHECKS = []


def check(function):
    """Registers a check: a generator of failures, in words."""
    CHECKS.append(function)
    return function


def helm(*args):
    command = [HELM, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def render(*args):
    """Renders the chart to a list of objects."""
    result = helm("template", "test", CHART, *args)
    if result.returncode != 0:
        raise AssertionError(f"helm template {' '.join(map(str, args))}: {result.stderr.strip()}")
    return [document for document in yaml.safe_load_all(result.stdout) if document]


def renders():
    """Yields the default render and that of every values file under helm/ci."""
    yield "defaults", render()
    for path in CI_VALUES:
        yield path.name, render("-f", path)


def only(objects, kind):
    found = [o for o in objects if o["kind"] == kind and "helm.sh/hook" not in annotations(o)]
    if len(found) != 1:
        raise AssertionError(f"{len(found)} objects of kind {kind}")
    return found[0]


def annotations(o):
    return o["metadata"].get("annotations", {})


def pods(objects):
    """Yields every pod specification of a render with the name of its owner."""
    for o in objects:
        if o["kind"] in ("StatefulSet", "Deployment"):
            yield o["metadata"]["name"], o["spec"]["template"]["spec"]
        elif o["kind"] == "Pod":
            yield o["metadata"]["name"], o["spec"]


def config_of(objects):
    """Returns the rendered configuration file, parsed."""
    for o in objects:
        if o["kind"] == "ConfigMap" and "maxspan.toml" in o["data"]:
            return tomllib.loads(o["data"]["maxspan.toml"])
    raise AssertionError("no maxspan.toml")


@check
def lint():
    for args in [[], *(["-f", path] for path in CI_VALUES)]:
        result = helm("lint", "--strict", CHART, *args)
        if result.returncode != 0:
            yield f"{args}: {result.stdout}{result.stderr}"


@check
def objects_fit_the_kubernetes_schemas():
    for name, objects in renders():
        for o in objects:
            if o["kind"] in NO_SCHEMA:
                continue
            for version in KUBERNETES:
                try:
                    kubernetes_validate.validate(o, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    yield f"{name}: {o['kind']} with {version}: {error.message}"


@check
def pods_fit_the_restricted_profile():
    allowed = {"configMap", "secret", "projected", "emptyDir", "persistentVolumeClaim", "downwardAPI", "csi", "ephemeral"}
    for name, objects in renders():
        for owner, pod in pods(objects):
            where = f"{name}: {owner}"
            context = pod["securityContext"]
            if context.get("runAsNonRoot") is not True:
                yield f"{where}: runAsNonRoot"
            if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
                yield f"{where}: seccompProfile"
            if "openshift" not in name and context.get("runAsUser") != 65532:
                yield f"{where}: runAsUser {context.get('runAsUser')}"
            for key in ("hostNetwork", "hostPID", "hostIPC"):
                if pod.get(key):
                    yield f"{where}: {key}"
            if pod.get("automountServiceAccountToken") is not False:
                yield f"{where}: the service account's token is mounted"
            for volume in pod["volumes"]:
                kinds = set(volume) - {"name"}
                if not kinds <= allowed:
                    yield f"{where}: volume {kinds}"
            # Containers that a user adds are the user's.
            for container in pod["containers"][:1]:
                context = container["securityContext"]
                wanted = {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "privileged": False,
                    "capabilities": {"drop": ["ALL"]},
                }
                if context != wanted:
                    yield f"{where}: security context {context}"
                resources = container["resources"]
                if resources["requests"]["memory"] != resources["limits"]["memory"]:
                    yield f"{where}: memory request and limit differ"
                if "cpu" in resources["limits"]:
                    yield f"{where}: a CPU limit stops the poll loop"


# Where the chart tells Maxspan to find the mounted secrets.
SECRET_KEYS = {"sasl": ["password_file"], "security": ["ca_file", "certificate_file", "key_file"]}


@check
def secrets_are_files():
    for name, objects in renders():
        for owner, pod in pods(objects):
            for container in pod["containers"]:
                for variable in container.get("env", []):
                    if "secretKeyRef" in variable.get("valueFrom", {}):
                        yield f"{name}: {owner}: {variable['name']} holds a secret"
    full = render("-f", CHART / "ci/full-values.yaml")
    kafka = config_of(full)["kafka"]
    mounts = {m["mountPath"] for m in only(full, "StatefulSet")["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]}
    for section, keys in SECRET_KEYS.items():
        for key in keys:
            path = pathlib.PurePosixPath(kafka[section][key])
            if str(path.parent) not in mounts:
                yield f"kafka.{section}.{key} = {path} is not mounted"


@check
def workload_suits_a_stream_processor():
    workload = only(render(), "StatefulSet")
    spec, pod = workload["spec"], workload["spec"]["template"]["spec"]
    container = pod["containers"][0]
    wanted = {
        "podManagementPolicy": (spec["podManagementPolicy"], "Parallel"),
        "minReadySeconds": (spec["minReadySeconds"], 15),
        "serviceName": (spec["serviceName"], "test-maxspan"),
        "grace": (pod["terminationGracePeriodSeconds"], 40),
        "startup": (container["startupProbe"]["httpGet"], {"path": "/startupz", "port": "http"}),
        "liveness": (container["livenessProbe"]["httpGet"], {"path": "/livez", "port": "http"}),
        "readiness": (container["readinessProbe"]["httpGet"], {"path": "/readyz", "port": "http"}),
        "port": (container["ports"][0]["containerPort"], 9600),
        "instance": (
            container["env"][0],
            {"name": "MAXSPAN_KAFKA__INSTANCE_ID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ),
        "tmp": ([v["emptyDir"] for v in pod["volumes"] if v["name"] == "tmp"], [{"sizeLimit": "64Mi"}]),
        "spread": (
            [c["topologyKey"] for c in pod["topologySpreadConstraints"]],
            ["topology.kubernetes.io/zone", "kubernetes.io/hostname"],
        ),
    }
    for what, (actual, expected) in wanted.items():
        if actual != expected:
            yield f"{what}: {actual} instead of {expected}"
    if "command" in container:
        yield "the image's entry point is replaced"


@check
def selectors_find_the_detectors_and_nothing_else():
    for name, objects in renders():
        labels = [o["spec"]["template"]["metadata"]["labels"] for o in objects if o["kind"] in ("StatefulSet", "Deployment")]
        others = [o["metadata"].get("labels", {}) for o in objects if o["kind"] == "Pod"]
        for o in objects:
            spec = o.get("spec", {})
            selector = spec.get("podSelector") or spec.get("selector")
            if not selector:
                continue
            wanted = selector.get("matchLabels", selector).items()
            if not all(wanted <= found.items() for found in labels):
                yield f"{name}: {o['kind']} selects no detector"
            if any(wanted <= found.items() for found in others):
                yield f"{name}: {o['kind']} selects the test pod"


@check
def configuration_survives_as_it_is():
    config = config_of(render("-f", CHART / "ci/full-values.yaml"))
    values = yaml.safe_load((CHART / "ci/full-values.yaml").read_text())["config"]
    for path, value in leaves(values):
        actual = config
        for key in path:
            actual = actual[key]
        # Not only equal: a whole number that becomes a float is refused by the reader.
        if (type(actual), actual) != (type(value), value):
            yield f"{'.'.join(path)}: {actual!r} instead of {value!r}"
    removed = config_of(render("--set", "config.kafka.group=null"))
    if "group" in removed["kafka"]:
        yield "a key that is set to null stays"
    odd = config_of(render("--set-json", 'config.x={"a.b":[1,0.5,true,{"c":"\\"\\\\ü<"}],"big":9007199254740991}'))["x"]
    if odd != {"a.b": [1, 0.5, True, {"c": '"\\ü<'}], "big": 9007199254740991}:
        yield f"odd values: {odd}"


def leaves(tree, path=()):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


@check
def pods_are_replaced_when_and_only_when_they_have_to_be():
    def template(*args):
        return only(render(*args), "StatefulSet")["spec"]["template"]

    base = template()
    if template("--set", "config.kafka.group=other") == base:
        yield "a change of the configuration is not taken"
    if template("--set", "workload.replicas=5") != base:
        yield "scaling replaces all pods"
    if template("--set", "rollOnConfigChange=false", "--set", "config.kafka.group=a") != template(
        "--set", "rollOnConfigChange=false", "--set", "config.kafka.group=b"
    ):
        yield "rollOnConfigChange=false is not honoured"
    rules = ("--set-string", "rules.inline.a\\.toml=x")
    if template(*rules) == base:
        yield "a change of the rules is not taken"
    still = ("--set", "rules.rollOnChange=false")
    if template(*still, *rules) != template(*still):
        yield "rules.rollOnChange=false is not honoured"


@check
def network_policy_knows_the_ports():
    policy = only(render("-f", CHART / "ci/full-values.yaml"), "NetworkPolicy")["spec"]
    ports = [p["port"] for p in policy["egress"][1]["ports"]]
    if ports != [9093, 9094, 9095]:
        yield f"egress to {ports}"
    policy = only(render("--set", "config.kafka.brokers=a:1092\\,b:2092", "--set", "config.http.listen=0.0.0.0:9700"), "NetworkPolicy")
    if [p["port"] for p in policy["spec"]["egress"][1]["ports"]] != [1092, 2092]:
        yield "brokers in one string are not understood"
    if policy["spec"]["ingress"][0]["ports"][0]["port"] != 9700:
        yield "the HTTP port is not followed"


@check
def optional_objects_are_switched():
    kinds = {o["kind"] for o in render()}
    for kind in ("ServiceAccount", "PodDisruptionBudget", "NetworkPolicy", "Service", "StatefulSet"):
        if kind not in kinds:
            yield f"no {kind} by default"
    if "PodMonitor" in kinds:
        yield "a PodMonitor by default"
    monitor = only(render("-f", CHART / "ci/full-values.yaml"), "PodMonitor")["spec"]
    if monitor["podMetricsEndpoints"] != [{"port": "http", "path": "/metrics", "interval": "10s"}]:
        yield f"PodMonitor: {monitor}"
    kinds = {o["kind"] for o in render("-f", CHART / "ci/deployment-values.yaml")}
    if kinds != {"Deployment", "Service", "Pod"}:
        yield f"the bare Deployment renders {sorted(kinds)}"


WRONG_VALUES = [
    "unknown=1",
    "workload.kind=DaemonSet",
    "workload.replicas=-1",
    "workload.replicas=many",
    "workload.terminationGracePeriodSeconds=5",
    "image.digest=latest",
    "image.repository=",
    "image.pullPolicy=Sometimes",
    "config.kafka.brokers=kafka",
    "config.kafka.brokers={}",
    "config.kafka.topics={}",
    "config.kafka.topics={a b}",
    "config.kafka.delivery=maybe",
    "config.kafka.instance_id=one",
    "config.kafka.sasl.password=secret",
    "config.kafka.security.protocol=tls",
    "config.kafka.sasl.mechanism=OAUTHBEARER",
    "config.kafka.properties.sasl\\.password=x",
    "config.kafka.properties.ssl\\.key\\.pem=x",
    "secrets.sasl.existingSecret=kafka-user",
    "config.http.listen=0.0.0.0:80",
    "config.log.format=xml",
    "config.kafka=none",
    "config.state.max_rule_share=25",
    "config.state.max_rule_share=0",
    "rules.inline.a=x",
    "secrets.tls.clientCertificate=true",
    "workload.kind=Deployment,config.kafka.properties.group\\.instance\\.id=x",
    "podMonitor.interval=fast",
    "networkPolicy.kafkaPorts={0}",
    "resources.limits.memory=lots",
    "podDisruptionBudget.maxUnavailable=0",
    "extraArgs=--verbose",
    "probes.liveness.path=/",
]


@check
def wrong_values_are_refused():
    for values in WRONG_VALUES:
        result = helm("template", "test", CHART, "--set", values)
        if result.returncode == 0:
            yield f"{values} is accepted"
        elif "schema" not in result.stderr:
            yield f"{values} is refused by something else: {result.stderr.strip()}"


@check
def rules_that_do_not_fit_into_a_config_map_are_refused():
    def template(files, size):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as values:
            inline = {f"rule-{n}.toml": "x" * size for n in range(files)}
            yaml.safe_dump({"rules": {"shipped": False, "inline": inline}}, values)
            values.flush()
            return helm("template", "test", CHART, "-f", values.name)

    # The API counts the bytes of the texts: 1,048,576 at most.
    fits = template(100, 10_000)
    if fits.returncode != 0:
        yield f"1,000,000 bytes are refused: {fits.stderr.strip()}"
    large = template(308, 8_700)
    if large.returncode == 0:
        yield "308 rules of 8.7 kB are accepted"
    for part in ("do not fit into a ConfigMap", "1 MiB", "rules.existingConfigMaps", "config.rules.paths"):
        if part not in large.stderr:
            yield f"no word of `{part}`: {large.stderr.strip()}"
    config = helm("template", "test", CHART, "--set", f"config.x.y={'z' * 60_000}", *["--set", f"config.x.a={'z' * 60_000}"])
    if config.returncode != 0:
        yield f"a configuration of 120 kB is refused: {config.stderr.strip()}"


@check
def a_login_says_whether_it_is_made_over_tls():
    login = ("--set", "config.kafka.sasl.mechanism=PLAIN,config.kafka.sasl.username=u,secrets.sasl.existingSecret=s")
    silent = helm("template", "test", CHART, *login)
    if silent.returncode == 0 or "over TLS" not in silent.stderr:
        yield f"a login without a word about TLS: {silent.returncode} {silent.stderr.strip()}"
    for said in ("config.kafka.security.protocol=sasl_plaintext", "secrets.tls.existingSecret=t"):
        result = helm("template", "test", CHART, *login, "--set", said)
        if result.returncode != 0:
            yield f"{said} is refused: {result.stderr.strip()}"


@check
def the_program_takes_what_the_chart_writes():
    program = ROOT / "target/debug/maxspan"
    if not program.exists():
        print("(not run: no program was built) ", end="")
        return
    for name, objects in renders():
        if not any(o["kind"] == "ConfigMap" and "maxspan.toml" in o["data"] for o in objects):
            continue
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "maxspan.toml"
            text = next(o["data"]["maxspan.toml"] for o in objects if "maxspan.toml" in o.get("data", {}))
            path.write_text(text.replace('"/rules"', f'"{ROOT / "config/rules"}"'))
            result = subprocess.run([program, "check", path], capture_output=True, text=True)
            if result.returncode != 0 or "W0902" in result.stdout:
                yield f"{name}: {result.stdout}{result.stderr}"


@check
def every_value_is_documented():
    documented = {row[0] for row in value_table()}
    for path, _ in leaves(yaml.safe_load((CHART / "values.yaml").read_text())):
        parents = {".".join(path[:n]) for n in range(1, len(path) + 1)}
        if not parents & documented:
            yield f"{'.'.join(path)} has no comment in values.yaml"


@check
def rules_equal_those_of_the_configuration():
    source = ROOT / "config/rules"
    wanted = {p.name: p.read_text() for p in source.iterdir() if not p.name.endswith(".cases.toml") and p.is_file()}
    packed = {p.name: p.read_text() for p in (CHART / "files/rules").iterdir()}
    if wanted != packed:
        yield "helm/files/rules differs from config/rules: run `make helm-sync`"
    mounted = next(o["data"] for o in render() if o["metadata"]["name"] == "test-maxspan-rules")
    for name, text in wanted.items():
        if mounted.get(name, "").strip() != text.strip():
            yield f"{name} does not reach the ConfigMap unchanged"
    if sum(len(text.encode()) for text in mounted.values()) > 1_000_000:
        yield "the rules do not fit into a ConfigMap"


@check
def chart_image_and_crate_have_one_version():
    crate = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    if chart["appVersion"] != crate:
        yield f"appVersion {chart['appVersion']}, Cargo.toml {crate}"
    if f"\nARG VERSION={crate}\n" not in (ROOT / "Dockerfile").read_text():
        yield f"ARG VERSION of the Dockerfile is not {crate}"


@check
def readme_lists_the_values():
    if (CHART / "README.md").read_text() != readme():
        yield "helm/README.md is stale: run `target/tools/venv/bin/python tests/helm/check.py --write`"


@check
def dockerfile_is_lean_and_unprivileged():
    result = subprocess.run([HADOLINT, "Dockerfile"], capture_output=True, text=True, cwd=ROOT)
    if result.returncode != 0:
        yield result.stdout + result.stderr
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    last = text[text.rindex("\nFROM ") + 1 :].splitlines()
    lines = [line for line in last if line and not line.startswith("#")]
    expected = {
        "FROM scratch": lambda line: line == "FROM scratch",
        "a numeric USER": lambda line: line == "USER 65532:65532",
        "an ENTRYPOINT in exec form": lambda line: line == 'ENTRYPOINT ["/maxspan"]',
        "EXPOSE 9600": lambda line: line == "EXPOSE 9600",
    }
    for what, test in expected.items():
        if not any(test(line) for line in lines):
            yield f"no {what}"
    for line in lines:
        if line.split()[0] in ("RUN", "HEALTHCHECK", "SHELL", "CMD", "ADD"):
            yield f"the last stage has {line.split()[0]}"


def value_table():
    """Yields (path, default, comment) for every `# --` comment of values.yaml."""
    path, comment = [], []
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    for line in (CHART / "values.yaml").read_text().splitlines():
        stripped = line.strip()
        if stripped.startswith("# -- "):
            comment = [stripped[5:]]
        elif stripped.startswith("#") and comment:
            comment.append(stripped[1:].strip())
        elif match := re.match(r"^( *)([A-Za-z0-9_]+):", line):
            path = path[: len(match[1]) // 2] + [match[2]]
            if comment:
                value = values
                for key in path:
                    value = value[key]
                yield ".".join(path), value, " ".join(comment)
            comment = []


def readme():
    """Returns helm/README.md: a head and the table of values."""
    rows = [
        f"| `{path}` | {show(value)} | {comment.replace('|', chr(92) + '|')} |" for path, value, comment in value_table()
    ]
    return README_HEAD + "\n".join(rows) + "\n"


def show(value):
    if isinstance(value, dict) and value:
        return "see values.yaml"
    return f"`{yaml.safe_dump(value, default_flow_style=True, width=1000).strip().removesuffix('...').strip()}`"


README_HEAD = """# The maxspan chart

Runs Maxspan as a StatefulSet: one member of a Kafka consumer group per pod, no volume claims, no access to Kubernetes.
State is rebuilt from the topic, so a pod is disposable.

```
helm install maxspan ./helm --set 'config.kafka.brokers={kafka:9092}' --set 'config.kafka.topics={winlogbeat}'
helm test maxspan
```

The pods fit the *restricted* pod security profile. Every value is checked by `values.schema.json`; what is under `config`
becomes `maxspan.toml` as it is. Secrets are mounted as files, never put into the environment.

Rules come from three places: those that ship with Maxspan, `rules.inline`, and `rules.existingConfigMaps`. Keys of the
ConfigMaps have to end in `.toml`; others are ignored.

<!-- Generated from values.yaml by tests/helm/check.py --write. -->

| value | default | meaning |
| --- | --- | --- |
"""


def main():
    if sys.argv[1:] == ["--write"]:
        (CHART / "README.md").write_text(readme())
        return 0
    failed = 0
    for function in CHECKS:
        try:
            failures = list(function())
        except (AssertionError, KeyError, OSError, StopIteration) as error:
            failures = [f"{type(error).__name__}: {error}"]
        failed += bool(failures)
        print(f"helm: {function.__name__} ... {'FAILED' if failures else 'ok'}")
        for failure in failures:
            print(f"    {failure}")
    print(f"helm: {len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
