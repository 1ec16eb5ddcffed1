"""Kubernetes: schemas, what `kubectl apply -k` would send, and what must agree."""

import re
import shlex
import shutil
import subprocess
import urllib.request
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

import tfgenai

FOLDER = Path(tfgenai.__file__).parent.parent / "serving"

# The sleep of preStop, which 1.30 brought, and the newest whose schemas are at hand.
_VERSIONS = ("1.30", "1.37")

_KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text("utf-8"))


def _manifests():
    texts = [(FOLDER / name).read_text("utf-8") for name in _KUSTOMIZATION["resources"]]
    return [each for text in texts for each in yaml.safe_load_all(text)]


def _of_kind(kind, manifests=None):
    return [each for each in manifests or _manifests() if each["kind"] == kind]


def _pod():
    (deployment,) = _of_kind("Deployment")
    return deployment["spec"]["template"]


def _container():
    (container,) = _pod()["spec"]["containers"]
    return container


@pytest.fixture(params=["tfgenai serve", "TensorFlow Serving"])
def built(request, tmp_path):
    """What kustomize makes of the folder, for either server."""
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("needs kubectl")
    shutil.copytree(FOLDER, tmp_path / "serving")
    file = tmp_path / "serving" / "kustomization.yaml"
    if request.param == "TensorFlow Serving":
        # As the file says to: the mark of the comment is taken away.
        text = re.sub(r"^# (components:|  - )", r"\1", file.read_text(), flags=re.M)
        assert "components" in yaml.safe_load(text)
        file.write_text(text)
    done = subprocess.run(
        [program, "kustomize", str(file.parent)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return request.param, list(yaml.safe_load_all(done.stdout))


@pytest.mark.parametrize("version", _VERSIONS)
def test_the_files_fit_their_schemas(version):
    for manifest in _manifests():
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("version", _VERSIONS)
def test_what_kustomize_makes_of_them_does_too(built, version):
    for manifest in built[1]:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_schemas_would_see_a_wrong_word():
    (deployment,) = _of_kind("Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readynessProbe"):
        kubernetes_validate.validate(deployment, _VERSIONS[-1], strict=True)


def test_no_file_is_left_out():
    """All but the values of another chart, and the other server's component."""
    files = {f"kubernetes/{each.name}" for each in FOLDER.glob("kubernetes/*.yaml")}
    files.remove("kubernetes/prometheus-adapter.yaml")
    assert set(_KUSTOMIZATION["resources"]) == files


def test_the_cluster_gets_the_containers_files(built):
    _, manifests = built
    (config,) = _of_kind("ConfigMap", manifests)
    assert config["data"] == {
        each.name: each.read_text("utf-8") for each in FOLDER.glob("*.config")
    }
    (deployment,) = _of_kind("Deployment", manifests)
    pod = deployment["spec"]["template"]["spec"]
    (volume,) = (each for each in pod["volumes"] if each["name"] == "config")
    # By the name with the hash, so that a change rolls the pods.
    assert volume["configMap"]["name"] == config["metadata"]["name"]
    assert config["metadata"]["name"] != "tfgenai-serving"


def test_the_image_is_of_this_version_or_of_the_other_containers(built):
    server, manifests = built
    (deployment,) = _of_kind("Deployment", manifests)
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    if server == "TensorFlow Serving":
        text = (FOLDER / "Containerfile").read_text("utf-8")
        version = re.search(r"^ARG TF_SERVING_VERSION=(\S+)", text, re.MULTILINE)[1]
        assert image == f"tfgenai-serving:{version}"
    else:
        assert image == f"tfgenai-serve:{tfgenai.__version__}"


def test_pods_pass_the_restricted_standard():
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/"""
    pod, container = _pod()["spec"], _container()
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    kinds = {key for volume in pod["volumes"] for key in volume} - {"name"}
    assert kinds == {"persistentVolumeClaim", "configMap", "emptyDir"}
    (namespace,) = _of_kind("Namespace")
    enforced = namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
    assert enforced == "restricted"


def test_nothing_but_tmp_can_be_written_and_no_token_is_there():
    mounts = {each["mountPath"]: each for each in _container()["volumeMounts"]}
    writable = {path for path, each in mounts.items() if not each.get("readOnly")}
    assert writable == {"/tmp"}
    (account,) = _of_kind("ServiceAccount")
    assert account["automountServiceAccountToken"] is False
    assert _pod()["spec"]["automountServiceAccountToken"] is False
    assert _pod()["spec"]["serviceAccountName"] == account["metadata"]["name"]


def test_all_select_the_servers_pods():
    labels = _pod()["metadata"]["labels"]
    (deployment,) = _of_kind("Deployment")
    (budget,) = _of_kind("PodDisruptionBudget")
    (policy,) = _of_kind("NetworkPolicy")
    (scaler,) = _of_kind("HorizontalPodAutoscaler")
    selectors = [
        deployment["spec"]["selector"]["matchLabels"],
        budget["spec"]["selector"]["matchLabels"],
        policy["spec"]["podSelector"]["matchLabels"],
        *(each["spec"]["selector"] for each in _of_kind("Service")),
        *(
            each["labelSelector"]["matchLabels"]
            for each in _pod()["spec"]["topologySpreadConstraints"]
        ),
    ]
    assert all(
        selector and selector.items() <= labels.items() for selector in selectors
    )
    assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    # Else every apply would undo what the autoscaler did.
    assert "replicas" not in deployment["spec"]
    job = yaml.safe_load((FOLDER / "prometheus" / "kubernetes.yml").read_text())
    (job,) = job["scrape_configs"]
    (namespace,) = _of_kind("Namespace")
    (discovery,) = job["kubernetes_sd_configs"]
    assert discovery["namespaces"]["names"] == [namespace["metadata"]["name"]]
    kept = {r["regex"] for r in job["relabel_configs"] if r.get("action") == "keep"}
    assert kept == {labels["app.kubernetes.io/name"], "rest"}


def test_ports_are_those_of_the_image():
    text = (FOLDER / "Containerfile.tfgenai").read_text("utf-8")
    flags = dict(re.findall(r'"--(port|rest_api_port)=(\d+)"', text))
    ports = {each["name"]: each["containerPort"] for each in _container()["ports"]}
    assert ports == {"grpc": int(flags["port"]), "rest": int(flags["rest_api_port"])}
    for service in _of_kind("Service"):
        for port in service["spec"]["ports"]:
            assert port["port"] == ports[port["targetPort"]]
    (policy,) = _of_kind("NetworkPolicy")
    for rule in policy["spec"]["ingress"]:
        # A rule without a list of callers, or of ports, would let in all.
        assert rule["from"]
        assert {port["port"] for port in rule["ports"]} <= ports.keys()
    assert policy["spec"]["egress"] == []
    assert sorted(policy["spec"]["policyTypes"]) == ["Egress", "Ingress"]


def test_paths_are_those_that_the_files_name():
    mounts = {each["mountPath"] for each in _container()["volumeMounts"]}
    models = (FOLDER / "models.config").read_text("utf-8")
    for path in re.findall(r'base_path: "([^"]+)"', models):
        assert any(path.startswith(f"{mount}/") for mount in mounts)
    text = (FOLDER / "Containerfile.tfgenai").read_text("utf-8")
    for path in re.findall(r'"--\w+_file=([^"]+)"', text):
        assert str(Path(path).parent) in mounts


def test_there_is_time_to_drain(built):
    """The pod is killed only after the sleep and the seconds of the server."""
    server, manifests = built
    (deployment,) = _of_kind("Deployment", manifests)
    pod = deployment["spec"]["template"]["spec"]
    sleep = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    text = (FOLDER / "Containerfile.tfgenai").read_text("utf-8")
    drain = int(re.search(r'"--drain_seconds=(\d+)"', text)[1])
    if server == "TensorFlow Serving":
        assert drain < sleep < pod["terminationGracePeriodSeconds"]
    else:
        assert sleep + drain < pod["terminationGracePeriodSeconds"]


def test_probes_ask_what_the_server_answers(server):
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        get = _container()[name]["httpGet"]
        assert get["port"] == "rest"
        if get["path"] == "/monitoring/prometheus/metrics":
            continue  # test_exported_metrics.py asks there
        url = f"http://{server.rest_address}{get['path']}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.status == 200


def test_a_restart_is_no_answer_to_draining():
    """/healthz is 503 then: a liveness probe there would cut off what is in flight."""
    assert _container()["livenessProbe"]["httpGet"]["path"] != "/healthz"


def test_the_autoscaler_asks_by_the_adapters_name(built):
    server, manifests = built
    (scaler,) = _of_kind("HorizontalPodAutoscaler", manifests)
    (metric,) = (e["pods"] for e in scaler["spec"]["metrics"] if e["type"] == "Pods")
    text = (FOLDER / "kubernetes" / "prometheus-adapter.yaml").read_text("utf-8")
    rules = {
        rule["name"]["as"]: rule for rule in yaml.safe_load(text)["rules"]["custom"]
    }
    series = rules[metric["metric"]["name"]]["seriesQuery"]
    assert series.startswith(":tensorflow:") == (server == "TensorFlow Serving")
    (written,) = _of_kind("HorizontalPodAutoscaler")
    assert scaler["spec"]["metrics"][1:] == written["spec"]["metrics"][1:]
    # A queue that is longer than a batch waits for more than one.
    text = (FOLDER / "batching.config").read_text("utf-8")
    largest = int(re.search(r"max_batch_size { value: (\d+) }", text)[1])
    assert 0 < int(metric["target"]["averageValue"]) <= largest


def test_one_of_the_fewest_may_be_missing():
    (scaler,) = _of_kind("HorizontalPodAutoscaler")
    (budget,) = _of_kind("PodDisruptionBudget")
    fewest, most = (scaler["spec"][key] for key in ("minReplicas", "maxReplicas"))
    assert budget["spec"]["maxUnavailable"] < fewest < most


def test_threads_are_as_many_as_processors():
    text = (FOLDER / "batching.config").read_text("utf-8")
    threads = re.search(r"num_batch_threads { value: (\d+) }", text)[1]
    assert _container()["resources"]["requests"]["cpu"] == threads
    resources = _container()["resources"]
    assert resources["limits"]["memory"] == resources["requests"]["memory"]


def test_the_commands_in_the_comments_name_files_that_are_there():
    text = (FOLDER / "kubernetes" / "prometheus-adapter.yaml").read_text("utf-8")
    command = re.search(r"#   (helm .*?)\n#\n", text, re.DOTALL)[1]
    words = shlex.split(command.replace("\\\n#", " "))
    assert (FOLDER / "kubernetes" / words[words.index("--values") + 1]).is_file()
