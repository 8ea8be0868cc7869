"""Every command, as a program and as a person meets it: answers, refusals, wrong usage."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import documents as docs
from tests.support.cli import command, environment, run
from tests.support.pretend import Pretend, Reply

BUSY = docs.error(
    "environment_busy",
    "production is taken by d142, 1.4.1 -> 1.4.2, by claude for lee",
    409,
    why=("one deployment at a time",),
    fix=("or stop it: orchestrate deploy cancel d142",),
)
UNKNOWN = docs.error(
    "unknown_environment",
    'there is no environment "prodution"',
    404,
    why=("known are dev, production, staging",),
    fix=("did you mean production?",),
)
PLANNED = Reply(docs.changed(docs.PLAN, needs_confirmation=False))
ENVIRONMENT = Reply(docs.changed(docs.ENVIRONMENT, settings=docs.SETTINGS))
E = ("--env", "production")
READS: list[tuple[tuple[str, ...], str, Reply]] = [
    (("deploy", "status", *E), "GET /api/environments/production", ENVIRONMENT),
    (("deploy", "status", "d142"), "GET /api/deployments/d142", Reply(docs.RUNNING)),
    (("deploy", "history"), "GET /api/deployments", Reply(docs.HISTORY)),
    (("deploy", "diff", *E, "--version", "1.4.2"), "POST /api/plans", Reply(docs.PLAN)),
    (("deploy", "validate", *E), "POST /api/validate", Reply(docs.READY)),
    (("deploy", "logs", *E), "GET /api/logs", Reply(docs.LOGS)),
    (("env", "list"), "GET /api/overview", Reply(docs.OVERVIEW)),
    (("env", "show", "production"), "GET /api/environments/production", ENVIRONMENT),
]


@pytest.mark.parametrize(("arguments", "path", "reply"), READS)
def test_json_is_the_service_s_document_and_nothing_else(
    arguments: tuple[str, ...], path: str, reply: Reply, home: Path
) -> None:
    with Pretend(home, {path: reply}):
        result = run(*arguments, "--json")
    assert result.document == reply.document
    assert result.code == 0


@pytest.mark.parametrize(("arguments", "path", "reply"), READS)
def test_what_is_read_is_on_standard_output_alone(
    arguments: tuple[str, ...], path: str, reply: Reply, home: Path
) -> None:
    with Pretend(home, {path: reply}):
        result = run(*arguments)
    assert (result.code, result.err) == (0, "")
    assert "\x1b" not in result.out and result.out.endswith("\n")


@pytest.mark.parametrize(("arguments", "path", "reply"), READS)
def test_a_refusal_is_one_document_with_json_and_three_parts_without(
    arguments: tuple[str, ...], path: str, reply: Reply, home: Path
) -> None:
    with Pretend(home, {path: Reply(UNKNOWN, 404)}):
        as_json, as_text = run(*arguments, "--json"), run(*arguments)
    assert as_json.document == UNKNOWN
    assert (as_json.code, as_text.code, as_text.out) == (2, 2, "")
    assert as_text.err == (
        'error[unknown_environment]: there is no environment "prodution"\n'
        "  why: known are dev, production, staging\n"
        "  fix: did you mean production?\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message", "fix"),
    [
        (["deploy", "stauts"], 'there is no command "stauts"', "orchestrate deploy status"),
        (["depoly"], 'there is no command "depoly"', "did you mean: orchestrate deploy"),
        (["deploy", "--env", "x", "status"], "--env stands before status", "deploy status --env"),
        (["env", "list", "--jsno"], "orchestrate env list has no option --jsno", "--json"),
        (["--utc", "env", "list"], "orchestrate has no option --utc", "orchestrate --help"),
        (["env", "show"], "missing argument 'NAME'", "orchestrate env show --help"),
        (["deploy", "history", "--limit", "x"], "--limit: it takes a whole number", "--help"),
        (["deploy", "--strategy", "x"], "--strategy: 'x' is not one of", "--help"),
        (["deploy", "--env", "a", "--version", "1", "--timeout", "soon"], "'soon' is not a", "10m"),
        (["deploy", "--env", "a", "--wait", "--detach"], "exclude each other", "one of them"),
        (["deploy", "rollback", "--env", "a", "--wait", "--detach"], "exclude", "one of them"),
        (["deploy", "--env", "a"], "which version?", "--version VERSION"),
        (["deploy", "--version", "1.4.2"], "which environment?", "--env"),
        (["deploy", "cancel"], "which environment?", "--env"),
    ],
)
def test_wrong_usage_is_told_in_the_same_form_and_ends_with_2(
    arguments: list[str], message: str, fix: str, home: Path
) -> None:
    with Pretend(home, {"POST /api/plans": PLANNED}):
        as_text, as_json = run(*arguments), run(*arguments, "--json")
    assert (as_text.code, as_json.code) == (2, 2)
    assert as_text.out == ""
    assert as_text.err.startswith("error[")
    assert message in as_text.err
    assert fix in as_text.err.split("fix:")[1]
    error = as_json.document["error"]
    assert message in error["message"]
    assert "Traceback" not in as_text.err


def test_without_a_service_that_may_be_started_every_command_says_so(home: Path) -> None:
    result, as_json = run("env", "list"), run("env", "list", "--json")
    assert (result.code, as_json.code) == (1, 1)
    assert "error[service_unreachable]: no service runs" in result.err
    assert as_json.document["error"]["code"] == "service_unreachable"


def test_a_deployment_that_fails_is_the_document_and_1(home: Path) -> None:
    refused = docs.changed(docs.REFUSED, id="d142")
    answers = {
        "POST /api/plans": PLANNED,
        "POST /api/deployments": Reply(docs.RUNNING),
        "GET /api/deployments/d142/follow": Reply(docs.follow(refused)),
        "GET /api/deployments/d142": Reply(refused),
    }
    with Pretend(home, answers):
        result = run("deploy", *E, "--version", "1.4.3", "--json")
    assert result.document == refused
    assert result.code == 1


def test_what_is_asked_for_reaches_the_service(home: Path) -> None:
    answers = {"POST /api/plans": PLANNED, "POST /api/deployments": Reply(docs.SUCCEEDED)}
    with Pretend(home, answers) as service:
        arguments = "--strategy blue-green --timeout 1h30m --queue --force --reason why --detach"
        result = run("deploy", *E, "--version", "1.4.2", *arguments.split())
    assert result.code == 0
    assert [request.body for request in service.requests] == [
        {
            "environment": "production",
            "version": "1.4.2",
            "strategy": "blue-green",
            "kind": "deploy",
            "force": True,
        },
        {
            "plan": docs.DIGEST,
            "reason": "why",
            "timeout_s": 5400.0,
            "queue": True,
            "force": True,
            "confirmed": True,
        },
    ]


def test_nothing_to_do_is_said_and_is_no_failure(home: Path) -> None:
    with Pretend(home, {"POST /api/plans": Reply(docs.NOTHING)}) as service:
        result = run("deploy", *E, "--version", "1.4.2")
        as_json = run("deploy", *E, "--version", "1.4.2", "--json")
    assert (result.code, result.err) == (0, "")
    assert result.out == docs.NOTHING["summary"] + "\n"
    assert as_json.document["nothing_to_do"] is True
    assert not service.asked("POST", "/api/deployments")


@pytest.mark.parametrize(("given", "code"), [((), 0), (("--exit-code",), 1)])
def test_a_plan_with_something_to_change_is_1_only_when_asked(
    given: tuple[str, ...], code: int, home: Path
) -> None:
    with Pretend(home, {"POST /api/plans": Reply(docs.PLAN)}):
        assert run("deploy", "diff", *E, "--version", "1.4.2", *given).code == code


def test_what_is_not_ready_ends_with_1(home: Path) -> None:
    with Pretend(home, {"POST /api/validate": Reply(docs.VALIDATION)}):
        assert run("deploy", "validate", *E).code == 1


def test_the_only_environment_needs_no_name_to_be_read(home: Path) -> None:
    one = docs.changed(docs.OVERVIEW, items=docs.OVERVIEW["items"][:1])
    answers = {
        "GET /api/overview": Reply(one),
        "GET /api/environments/shop%2Fdev": Reply(docs.ENVIRONMENT),
    }
    with Pretend(home, answers):
        assert run("deploy", "status").code == 0
    with Pretend(home, {"GET /api/overview": Reply(docs.OVERVIEW)}):
        result = run("deploy", "status")
    assert result.code == 2
    assert "there are dev, production, eu" in result.err


def test_the_environment_may_come_from_a_variable(home: Path) -> None:
    with Pretend(home, {"GET /api/environments/production": Reply(docs.ENVIRONMENT)}):
        assert run("deploy", "status", env={"ORCHESTRATE_ENV": "production"}).code == 0


@pytest.mark.parametrize(
    ("arguments", "path", "reply", "said"),
    [
        (("deploy", "status", *E), "GET /api/environments/production", ENVIRONMENT, "1.4.2\n"),
        (("env", "list"), "GET /api/overview", Reply(docs.OVERVIEW), "dev\nproduction\neu\n"),
        (
            ("deploy", "diff", *E, "-V", "1.4.2"),
            "POST /api/plans",
            Reply(docs.PLAN),
            "7c1e9a40b3f2\n",
        ),
        (
            ("deploy", "history"),
            "GET /api/deployments",
            Reply(docs.HISTORY),
            "d145\nd143\nd142\nd138\nd101\n",
        ),
    ],
)
def test_quiet_is_the_name_alone(
    arguments: tuple[str, ...], path: str, reply: Reply, said: str, home: Path
) -> None:
    with Pretend(home, {path: reply}):
        assert run(*arguments, "-q").out == said


def test_filters_reach_the_history(home: Path) -> None:
    with Pretend(home, {"GET /api/deployments": Reply(docs.HISTORY)}) as service:
        run(
            "deploy", "history", *E, "--limit", "5", "--before", "d100", "--result", "rolled-back",
            "--by", "claude", "--version", "1.4.2",
        )  # fmt: skip
    assert service.requests[0].query == (
        "environment=production&limit=5&cursor=d100&phase=rolled_back&version=1.4.2&by=claude"
    )


def test_logs_are_as_they_are_and_words_about_them_are_apart(home: Path) -> None:
    cut = docs.changed(docs.LOGS, truncated=True)
    with Pretend(
        home, {"GET /api/logs": [Reply(cut), Reply(docs.changed(cut, untrusted_lines=[]))]}
    ):
        full, empty = run("deploy", "logs", *E), run("deploy", "logs", *E, "--grep", "xyz")
    assert full.out == "replica 0 | listening\nreplica 1 | listening\n"
    assert "older lines were left out" in full.err
    assert empty.out == ""
    assert "1.4.2 has logged nothing with 'xyz'" in empty.err


def test_a_reader_that_leaves_early_is_no_error(home: Path) -> None:
    many = docs.changed(docs.LOGS, untrusted_lines=["replica 0 | " + "x" * 400] * 2000)
    with Pretend(home, {"GET /api/logs": Reply(many)}):
        process = subprocess.Popen(
            command("deploy", "logs", *E),
            env=environment(PYTHONUNBUFFERED=""),  # unbuffered, Python does not see it itself
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout and process.stderr
        assert process.stdout.readline().startswith(b"replica 0")
        process.stdout.close()
        said = process.stderr.read()
        process.stderr.close()
        code = process.wait(30)
    assert said == b""
    assert code == 128 + signal.SIGPIPE


def test_an_output_that_is_not_utf8_gets_letters_for_glyphs(home: Path) -> None:
    with Pretend(home, {"POST /api/validate": Reply(docs.READY)}):
        result = run("deploy", "validate", *E, env={"PYTHONIOENCODING": "ascii"})
    assert result.out.isascii()
    assert "ok   artifact" in result.out


def test_an_unexpected_error_is_one_sentence_and_its_trace_a_file(home: Path) -> None:
    broken = {"schema": "orchestrate.overview.v1", "items": [{}]}
    with Pretend(home, {"GET /api/overview": Reply(broken)}):
        result = run("env", "list", env={"TMPDIR": str(home)})
    assert result.code == 1
    assert result.err.startswith("error[internal]: an unexpected error: KeyError: ")
    trace = result.err.strip().rpartition(" ")[2]
    assert "Traceback" in Path(trace).read_text()


def test_the_service_is_stopped_and_never_started_to_be_stopped(home: Path) -> None:
    with Pretend(home, {"POST /api/service/stop": Reply(docs.SERVICE)}):
        stopped = run("stop")
    nobody = run("stop", env={"ORCHESTRATE_NO_AUTOSTART": "0"})
    assert (stopped.code, nobody.code) == (0, 0)
    assert "(pid 4242) ends; what is deployed goes on" in stopped.out
    assert nobody.out == "no service runs\n"


def test_the_doctor_says_what_provides_what_is_missing(home: Path) -> None:
    answers = {"GET /api/service": Reply(docs.SERVICE), "GET /api/doctor": Reply(docs.DOCTOR)}
    with Pretend(home, answers):
        result, as_json = run("doctor"), run("doctor", "--json")
    assert (result.code, as_json.code) == (1, 1)
    assert 'fix: pip install "orchestrate-mcp[edge]"' in result.out
    assert as_json.document == docs.DOCTOR


def test_the_doctor_speaks_without_a_service_too(home: Path) -> None:
    result, as_json = run("doctor"), run("doctor", "--json")
    assert (result.code, as_json.code) == (1, 1)
    assert "fix: orchestrate serve" in result.out
    assert [c["name"] for c in as_json.document["checks"] if c["result"] == "fail"] == ["service"]


def test_help_and_version_answer_on_standard_output(home: Path) -> None:
    for arguments in (["--help"], ["deploy", "--help"], ["env", "create", "-h"], ["--version"]):
        result = run(*arguments)
        assert (result.code, result.err) == (0, "")
        assert "rchestrate" in result.out


def test_every_fix_that_is_a_command_can_be_parsed(home: Path) -> None:
    from orchestrate.cli import hot

    said = (Path(__file__).parent / "screens").glob("*.txt")
    commands = {
        line[line.index("orchestrate ") :].strip()
        for file in said
        for line in file.read_text(encoding="utf-8").splitlines()
        if "orchestrate " in line
    }
    assert len(commands) > 10
    for text in commands:
        words = text.replace('"..."', "why").split()[1:]
        assert hot.parse(words) is not None, text


def test_it_runs_as_a_module_and_by_its_name(home: Path) -> None:
    script = Path(sys.executable).parent / "orchestrate"
    result = subprocess.run(
        [str(script), "--version"], env=environment(), capture_output=True, text=True, timeout=30
    )
    assert result.stdout == run("--version").out
    assert result.returncode == 0
