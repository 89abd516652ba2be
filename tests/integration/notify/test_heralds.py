"""What others are told of an injection, over real HTTP: every form, every refusal, and never a delay of an undo."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from queue import Queue

import pytest

from daemon.core.errors import ConfigError
from daemon.core.events import Judged, Reverted
from daemon.core.settings import DestinationSetting, GrafanaSetting, SecretSetting, Settings
from daemon.faces.heralds import Heralds
from daemon.ports.courier import Outcome, Pace
from daemon.ports.local import LocalHttp
from tests.engine_kit import Kit, request
from tests.receiver import Receiver, receiving

FAST = Pace(tries=4, first_s=0.001, longest_s=0.002, waiting=3)
TOKEN = "glsa_0123456789abcdef"
End = tuple[str, Outcome, str, str]


class Bench:
    """An engine whose every event is told to heralds; ``ended`` is what became of each notice."""

    def __init__(self, directory: Path) -> None:
        self.kit = Kit(directory)
        self.ended: Queue[End] = Queue()
        self.heralds: Heralds | None = None

    def tell(self, settings: Settings, pace: Pace = FAST) -> None:
        self.heralds = Heralds(
            settings, LocalHttp(), {}, source="/chaosd/here", told=lambda *end: self.ended.put(end), pace=pace
        )
        self.heralds.start()
        self.kit.recorder._listeners = (*self.kit.recorder._listeners, self.heralds)

    def run(self, *, heals: bool = False, **words: str) -> None:
        if heals:
            self.kit.world.clock.at(2, lambda: self.kit.lamp.put("good"))
        self.kit.control.run(request(duration_s=30 if heals else 2, **words))

    def end(self) -> End:
        return self.ended.get(timeout=100)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    if made.heralds is not None:
        made.heralds.close()


def to(receiver: Receiver | str, kind: str = "webhook", **rest: object) -> DestinationSetting:
    url = receiver if isinstance(receiver, str) else receiver.address
    # Time enough for a slow machine: what is tried here does not depend on it.
    made = DestinationSetting(name="them", kind=kind, url=f"{url}/hook", timeout_s=50)
    return replace(made, **rest)  # type: ignore[arg-type]


def telling(bench: Bench, *destinations: DestinationSetting, grafana: GrafanaSetting | None = None) -> None:
    bench.tell(replace(bench.kit.settings, notify=destinations, grafana=grafana))


def test_a_webhook_learns_of_the_injection_and_of_its_recovery(bench: Bench) -> None:
    with receiving() as them:
        telling(bench, to(them))
        bench.run(heals=True)
        began, over = them.next(), them.next()
        assert {bench.end()[1] for _ in range(2)} == {Outcome.DELIVERED}
    assert (began.method, began.path, began.headers["content-type"]) == ("POST", "/hook", "application/json")
    assert began.body["event"] == "injected"
    assert began.body["schema_version"] == 1
    assert began.body["injection"]["id"] == "inj-0"
    assert began.body["injection"]["target"] == "editor"
    assert over.body["event"] == "recovered"
    assert over.body["recovery"]["healed_by"] == "worker"
    low, high = over.body["recovery"]["after"]
    assert 0 < low <= high < 30
    assert over.body["id"] == "inj-0/recovered"


@pytest.mark.parametrize("kept_in_file", [False, True])
def test_an_address_is_used_to_its_last_slash(bench: Bench, tmp_path: Path, *, kept_in_file: bool) -> None:
    with receiving() as them:
        address = f"{them.address}/hooks/chaosd/"
        url = written(tmp_path / "url", address) if kept_in_file else address
        telling(bench, to("", url=url, on=("injected",)))
        bench.run()
        assert them.next().path == "/hooks/chaosd/"


@pytest.mark.parametrize("end", ["", "/"])
def test_grafana_is_found_whether_its_address_ends_in_a_slash_or_not(bench: Bench, end: str) -> None:
    with receiving() as them:
        telling(bench, grafana=GrafanaSetting(url=them.address + end, timeout_s=50))
        bench.run()
        assert them.next().path == "/api/annotations"


def test_what_is_not_in_on_is_not_told(bench: Bench) -> None:
    with receiving() as them:
        telling(bench, to(them, on=("not-recovered",)))
        bench.run()
        assert bench.end()[2] == "inj-0/not-recovered"
        assert them.next().body["event"] == "not-recovered"
        assert them.heard.empty()


def test_an_undo_that_failed_is_told(bench: Bench) -> None:
    with receiving() as them:
        telling(bench, to(them, on=("undo-failed",)))
        bench.run(broken="revert")
        told = them.next().body
    assert told["event"] == "undo-failed"
    assert any("cannot reach the lamp" in reason for reason in told["reasons"]), told


def test_who_settles_a_failed_undo_is_not_told_of_it_anew(bench: Bench) -> None:
    with receiving() as them:
        telling(bench, to(them, on=("undo-failed", "injected")))
        bench.run(broken="revert")
        bench.kit.control.settle("inj-0", by="ann", because="restored by hand")
        bench.run(heals=True)  # told in their order: what comes after it is next
        heard = [them.next().body["id"] for _ in range(3)]
    assert heard == ["inj-0/injected", "inj-0/undo-failed", "inj-1/injected"]


def test_a_cloud_event_has_what_the_specification_wants(bench: Bench) -> None:
    with receiving() as them:
        telling(bench, to(them, "cloudevents", on=("injected",)))
        bench.run()
        told = them.next()
    assert told.headers["content-type"] == "application/cloudevents+json; charset=UTF-8"
    assert told.body["specversion"] == "1.0"
    assert told.body["type"] == "chaosd.injection.injected"
    assert told.body["source"] == "/chaosd/here"
    assert told.body["id"] == "inj-0/injected"
    assert told.body["time"].endswith("Z")
    assert told.body["datacontenttype"] == "application/json"
    assert told.body["data"]["injection"]["fault"] == "test-darken"
    assert all(name.isalnum() and name.islower() for name in told.body), "attribute names"


def test_slack_gets_one_text_in_which_nothing_foreign_is_markup(bench: Bench) -> None:
    with receiving() as them:
        telling(bench, to(them, "slack", on=("not-recovered",)))
        request_by = replace(request(duration_s=2), by="<!channel> *me*")
        bench.kit.control.run(request_by)
        told = them.next().body
    assert set(told) == {"text"}
    assert told["text"].startswith("*chaosd: NOT RECOVERED* test-darken/dark on editor\n- ")
    assert "&lt;!channel&gt;" in told["text"]
    assert "<!channel>" not in told["text"]


def test_a_server_that_fails_twice_is_told_in_the_end_and_with_the_same_id(bench: Bench) -> None:
    with receiving(503, 429, 200) as them:
        telling(bench, to(them, "cloudevents", on=("injected",)))
        bench.run()
        assert bench.end() == ("them", Outcome.DELIVERED, "inj-0/injected", "")
        tries = [them.next().body["id"] for _ in range(3)]
        assert tries == ["inj-0/injected"] * 3
        assert them.heard.empty()


def test_a_server_that_always_fails_is_given_up_after_every_try(bench: Bench) -> None:
    with receiving(500) as them:
        telling(bench, to(them, on=("injected",)))
        bench.run()
        destination, outcome, _, why = bench.end()
        assert (destination, outcome) == ("them", Outcome.FAILED)
        assert why.startswith("HTTP 500")
        assert them.heard.qsize() == FAST.tries


@pytest.mark.parametrize("status", [400, 403, 404, 302])
def test_a_refusal_is_not_tried_again(bench: Bench, status: int) -> None:
    with receiving(status) as them:
        telling(bench, to(them, on=("injected",)))
        bench.run()
        assert bench.end()[1] is Outcome.FAILED
        assert them.heard.qsize() == 1


def test_nobody_there_is_given_up_and_the_next_one_is_tried_all_the_same(bench: Bench) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        telling(bench, to(f"http://127.0.0.1:{closed.getsockname()[1]}"))
        bench.run()
        ends = [bench.end() for _ in range(2)]
    assert [(outcome, what) for _, outcome, what, _ in ends] == [
        (Outcome.FAILED, "inj-0/injected"),
        (Outcome.FAILED, "inj-0/not-recovered"),
    ]


def test_a_server_that_hangs_delays_no_undo(bench: Bench) -> None:
    """The order of events, not their time: all of it is over while the first request is still unanswered."""
    with receiving(hold=True) as them:
        telling(bench, to(them))
        bench.run()
        assert them.next().body["event"] == "injected"
        names = [type(event) for event in bench.kit.events]
        assert Reverted in names
        assert Judged in names
        assert bench.kit.lamp is not None
        assert bench.kit.lamp.light == "good"
        assert bench.ended.empty(), "the first notice is still under way"
        them.hold.set()
        assert bench.end() == ("them", Outcome.DELIVERED, "inj-0/injected", "")
        assert bench.end()[2] == "inj-0/not-recovered"


def test_what_comes_faster_than_it_is_taken_is_dropped_and_counted(bench: Bench) -> None:
    with receiving(hold=True) as them:
        telling(bench, to(them, on=("injected",)))
        bench.run()
        them.next()  # the first is under way, three may wait
        for _ in range(5):
            bench.run()
        dropped = [bench.end() for _ in range(2)]
        assert [(outcome, what) for _, outcome, what, _ in dropped] == [
            (Outcome.DROPPED, "inj-4/injected"),
            (Outcome.DROPPED, "inj-5/injected"),
        ]
        them.hold.set()
        assert [bench.end()[1] for _ in range(4)] == [Outcome.DELIVERED] * 4


def test_at_the_end_what_waits_has_one_try_and_nothing_is_waited_for_for_ever(bench: Bench) -> None:
    with receiving(hold=True) as them:
        telling(bench, to(them))
        bench.run()
        them.next()
        assert bench.heralds is not None
        bench.heralds.close(within_s=0.01)
        assert bench.end()[1:] == (Outcome.DROPPED, "inj-0/not-recovered", "chaosd ended")
        bench.run()
        assert bench.end()[1] is Outcome.DROPPED


def test_retry_after_is_honoured_within_bounds(bench: Bench) -> None:
    with receiving(429, 200, Retry_After="1") as them:
        bench.tell(replace(bench.kit.settings, notify=(to(them, on=("injected",)),)))
        pauses: list[float] = []
        assert bench.heralds is not None
        (courier,) = bench.heralds._staff.couriers()
        right = courier._pause_s
        courier._pause_s = lambda state: pauses.append(right(state)) or 0.0  # type: ignore[method-assign,func-returns-value]
        bench.run()
        assert bench.end()[1] is Outcome.DELIVERED
    assert pauses == [1.0]


# --- another configuration ---------------------------------------------------------------------------------


def adopting(bench: Bench, *destinations: DestinationSetting, grafana: GrafanaSetting | None = None) -> None:
    assert bench.heralds is not None
    bench.heralds.adopt(bench.heralds.staff(replace(bench.kit.settings, notify=destinations, grafana=grafana)))


def test_another_configuration_tells_others_and_who_stays_keeps_what_waits(bench: Bench) -> None:
    with receiving(hold=True) as stays, receiving(503) as goes, receiving() as comes:
        staying, going = to(stays, on=("injected",)), to(goes, name="goes", on=("injected",))
        bench.tell(replace(bench.kit.settings, notify=(staying, going)), Pace(tries=2, first_s=600, longest_s=600))
        bench.run()
        bench.run()
        assert stays.next().body["id"] == "inj-0/injected"  # held; another one waits behind it
        assert goes.next().body["id"] == "inj-0/injected"  # refused; the courier pauses, another one waits
        adopting(bench, staying, to(comes, name="comes", on=("injected",)))
        assert [bench.end()[:3] for _ in range(2)] == [
            ("goes", Outcome.FAILED, "inj-0/injected"),
            ("goes", Outcome.FAILED, "inj-1/injected"),
        ]
        bench.run()
        assert comes.next().body["id"] == "inj-2/injected"
        stays.hold.set()
        assert [stays.next().body["id"] for _ in range(2)] == ["inj-1/injected", "inj-2/injected"]


def test_a_secret_that_cannot_be_used_changes_nothing(bench: Bench) -> None:
    with receiving() as them:
        telling(bench, to(them, on=("injected",)))
        with pytest.raises(ConfigError, match="who is to be told"):
            adopting(bench, to("", name="other", url=SecretSetting(file="/nowhere/url")))
        bench.run()
        assert them.next().body["event"] == "injected"


def test_what_began_in_another_grafana_is_a_region_in_the_new_one(bench: Bench) -> None:
    bench.run(broken="revert")
    with receiving() as old, receiving() as new:
        telling(bench, grafana=GrafanaSetting(url=old.address, timeout_s=50))
        assert bench.heralds is not None
        bench.heralds.resume(bench.kit.journal.outstanding())
        adopting(bench, grafana=GrafanaSetting(url=new.address, timeout_s=50))
        bench.kit.control.settle("inj-0", by="me", because="looked")
        over = new.next()
        assert old.heard.empty()
    assert (over.method, over.path) == ("POST", "/api/annotations")
    assert over.body["timeEnd"] > over.body["time"]


# --- secrets -------------------------------------------------------------------------------------------------


def written(path: Path, text: str) -> SecretSetting:
    path.write_text(text)
    path.chmod(0o600)
    return SecretSetting(file=str(path))


def test_address_and_token_come_from_files_are_read_anew_and_are_told_nobody(bench: Bench, tmp_path: Path) -> None:
    with receiving(401, 200, 500) as them:
        address = written(tmp_path / "url", f"{them.address}/services/T0/B0/s3cr3t-part")
        destination = to(them, "slack", on=("injected",), url=address, token=written(tmp_path / "token", TOKEN))
        telling(bench, destination)
        bench.run()
        first = them.next()
        ends = [bench.end()]
        written(tmp_path / "token", TOKEN[::-1])
        bench.run()
        second = them.next()
        ends.append(bench.end())
        bench.run()
        ends.append(bench.end())
    assert first.path == "/services/T0/B0/s3cr3t-part"
    assert first.headers["authorization"] == f"Bearer {TOKEN}"
    assert second.headers["authorization"] == f"Bearer {TOKEN[::-1]}"
    assert [outcome for _, outcome, _, _ in ends] == [Outcome.FAILED, Outcome.DELIVERED, Outcome.FAILED]
    for secret in ("s3cr3t-part", TOKEN, TOKEN[::-1]):
        assert secret not in repr(ends)
        assert secret not in repr(vars(bench.heralds))


def test_nobody_there_at_a_secret_address_names_its_host_alone(bench: Bench, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = written(tmp_path / "url", f"http://127.0.0.1:{closed.getsockname()[1]}/services/s3cr3t")
        telling(bench, to("", on=("injected",), url=url))
        bench.run()
        why = bench.end()[3]
    assert "no answer from 127.0.0.1" in why
    assert "s3cr3t" not in why


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda path: path.chmod(0o644), "has mode 0644"),
        (lambda path: path.unlink(), "cannot be read"),
        (lambda path: path.write_text("hooks.example.com/x/y/z"), "begins with neither https://"),
    ],
)
def test_a_secret_that_cannot_be_used_stops_the_start(
    bench: Bench, tmp_path: Path, spoil: Callable[[Path], object], expected: str
) -> None:
    url = written(tmp_path / "url", "https://hooks.example.com/services/1")
    spoil(tmp_path / "url")
    with pytest.raises(ConfigError) as raised:
        telling(bench, to("", url=url))
    assert "them: " in raised.value.problems[0]
    assert expected in raised.value.problems[0]


# --- Grafana -------------------------------------------------------------------------------------------------


def test_a_fault_is_a_point_in_grafana_and_then_a_region(bench: Bench, tmp_path: Path) -> None:
    with receiving() as grafana:
        token = written(tmp_path / "token", TOKEN)
        telling(bench, grafana=GrafanaSetting(url=f"{grafana.address}/", token=token, timeout_s=50))
        bench.run()
        began, over = grafana.next(), grafana.next()
        assert [bench.end()[0] for _ in range(2)] == ["grafana"] * 2
    assert (began.method, began.path) == ("POST", "/api/annotations")
    assert began.headers["authorization"] == f"Bearer {TOKEN}"
    assert began.body["tags"] == ["chaosd", "fault:test-darken", "target:editor"]
    assert "timeEnd" not in began.body
    assert (over.method, over.path) == ("PATCH", "/api/annotations/41")
    assert set(over.body) == {"timeEnd"}
    assert over.body["timeEnd"] >= began.body["time"] + 2000


def test_a_region_is_made_at_once_when_grafana_was_away_at_the_beginning(bench: Bench) -> None:
    with receiving(400, 200) as grafana:
        telling(bench, grafana=GrafanaSetting(url=grafana.address, timeout_s=50))
        bench.run()
        began, over = grafana.next(), grafana.next()
        assert bench.end()[1:3] == (Outcome.FAILED, "inj-0/begun")
        assert bench.end()[1:3] == (Outcome.DELIVERED, "inj-0/over")
    assert (over.method, over.path) == ("POST", "/api/annotations")
    assert over.body["time"] == began.body["time"]
    assert over.body["timeEnd"] > over.body["time"]


def test_a_grafana_that_hangs_delays_no_undo(bench: Bench) -> None:
    with receiving(hold=True) as grafana:
        telling(bench, grafana=GrafanaSetting(url=grafana.address, timeout_s=50))
        bench.run()
        grafana.next()
        assert Reverted in [type(event) for event in bench.kit.events]
        assert bench.ended.empty()


def test_what_an_earlier_life_began_is_ended_by_this_one(bench: Bench) -> None:
    bench.run(broken="revert")
    left = bench.kit.journal.outstanding()
    assert len(left) == 1
    with receiving() as grafana:
        telling(
            bench,
            to(grafana, on=("recovered", "not-recovered")),
            grafana=GrafanaSetting(url=grafana.address, timeout_s=50),
        )
        assert bench.heralds is not None
        bench.heralds.resume(left)
        bench.kit.control.settle("inj-0", by="me", because="looked")
        over = grafana.next()
    assert over.body["timeEnd"] > over.body["time"]
