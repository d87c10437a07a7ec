"""The page Leaderboard: what is on it, what it takes, and what it keeps to itself; and once in a browser, with a worker."""

from __future__ import annotations

import json
import os
import re
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from attnlab_core import charts
from tests.rounds_data import document, dumped, edits, scored, small_round
from tests.test_pages import NASTY, backend, labs, shared, shown, visit

__all__ = ["backend", "labs"]
pytestmark = pytest.mark.pages


def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database of this test's own, for the page too, whose server starts no worker; its URL."""
    url = f"sqlite:///{tmp_path / 'rounds.db'}"
    for name, value in (("DB", url), ("WORKER", "0"), ("QUEUE", str(tmp_path / "queue.db"))):
        monkeypatch.setenv(f"ATTENTIONLAB_{name}", value)
    return url


@pytest.fixture
def board(tmp_path, monkeypatch, backend):
    """A board with one open round and one baseline that is scored."""
    from attnlab_core.rounds.board import Board

    made = Board(home(tmp_path, monkeypatch))
    made.add_round(small_round())
    made.set_state("spring", "open")
    score(
        made,
        made.add_baseline("spring", document(9.0, title="Raw attention", report=""), "Raw attention"),
        0.125,
    )
    return made


def score(board, number: int, mean: float = 0.25) -> None:
    """What a worker does with a submission."""
    for job in board.waiting(number):
        claim = board.claim(job, "w")
        assert board.finish(claim, scored(mean))


def told(at) -> str:
    """What stands in the text of the page, as it is read."""
    return "\n".join(one.value for one in at.markdown).replace("\\", "")


def table(at) -> str:
    """The table as HTML; nothing where there is none."""
    return next(
        (part for part in shown(at).split("<div role='region'") if "aria-label='The table'" in part), ""
    )


def said(at) -> str:
    return "\n".join(one.value for one in (*at.info, *at.error, *at.warning)).replace("\\", "")


def fill(at, team: str = "Ann", key: str = "", text: Any = None):
    """Type a team, its key and a document."""
    at.text_input(key="board.team").set_value(team)
    at.text_input(key="board.key").set_value(key)
    if text is not None:
        at.text_area(key="board.text").set_value(text if isinstance(text, str) else json.dumps(text))
    return at.run()


def press(at, key: str):
    at.button(key=f"board.{key}").click().run()
    assert not at.exception, at.exception[0].stack_trace
    return at


def test_a_first_visit_shows_the_shipped_board(tmp_path, monkeypatch, backend):
    from attnlab_core.rounds._shipped import shipped_baselines, shipped_round

    home(tmp_path, monkeypatch)
    round_, at = shipped_round(), visit("leaderboard", backend)
    assert not at.error
    assert round_.title in [one.value.replace("\\", "") for one in at.header]
    assert len(at.get("vega_lite_chart")) == 1
    first = next(iter(round_.tracks))
    names = [name for name, submission, _ in shipped_baselines() if submission.track == first]
    assert len(names) > 3
    assert all(f">{name}</bdi>" in table(at) for name in names)


def test_a_server_without_rounds_of_its_own_is_asked_for_the_shipped_one_once(tmp_path, monkeypatch, backend):
    from attnlab_core.rounds.board import Board

    url = home(tmp_path, monkeypatch)
    for _ in range(2):
        visit("leaderboard", backend)
    assert len(Board(url).rounds()) == 1


def test_the_table_has_every_figure_with_its_interval_and_what_it_means(board, backend):
    from attnlab_core.rounds import COLUMNS

    at = visit("leaderboard", backend)
    assert "0.125 (0.025 to 0.225)" in table(at)
    for column in COLUMNS["explain"][:1]:
        assert f"title='{column.caption} Higher is better." in table(at)
    (chart,) = at.get("vega_lite_chart")
    assert "Raw attention, baseline" in chart.proto.spec or chart.proto.datasets


def rows(at) -> list[str]:
    """The titles in the table, from top to bottom."""
    return re.findall(r"<th scope='row'.*?<bdi[^>]*>(.*?)</bdi>", table(at))


def test_the_table_is_sorted_by_any_column_and_the_address_says_so(board, backend):
    for team, title, mean in (("Bob", "alpha", 0.5), ("Ann", "Beta", 0.25)):
        score(board, board.submit("spring", team, board.register(team), document(mean, title=title)), mean)
    at = visit("leaderboard", backend)
    ranked = rows(at)
    assert sorted(ranked) == ["Beta", "Raw attention", "alpha"]
    assert "aria-sort='ascending' title='A rank" in table(at)
    assert at.selectbox(key="sort").value == "Rank"
    assert not {"sort", "turned"} & set(at.query_params)
    wanted = {
        "Title": ["alpha", "Beta", "Raw attention"],
        "Team": ["Beta", "Raw attention", "alpha"],
        "Comprehensiveness": ["alpha", "Beta", "Raw attention"],
        "Submission": ["Raw attention", "alpha", "Beta"],
        "Rank": ranked,
    }
    for by, titles in wanted.items():
        for turned in (False, True):
            at.selectbox(key="sort").set_value(by)
            at.toggle(key="turned").set_value(turned).run()
            assert rows(at) == titles[:: -1 if turned else 1]
            down = turned != (by == "Comprehensiveness")
            name = re.escape(by)
            (way,) = re.findall(rf"aria-sort='(\w+)'[^>]*>{name} <", table(at))
            assert way == ("descending" if down else "ascending")
    given = visit("leaderboard", backend, sort="Title", turned="true")
    assert rows(given) == wanted["Title"][::-1]
    for odd in ("Nothing", NASTY):
        assert rows(visit("leaderboard", backend, sort=odd)) == ranked


def test_a_column_that_another_track_lacks_gives_its_own_order_back(board, backend):
    board.submit("spring", "Ann", board.register("Ann"), edits())
    at = visit("leaderboard", backend, sort="Comprehensiveness")
    at.segmented_control(key="track").set_value("Edit").run()
    claim = board.claim(board.waiting()[0], "w")
    board.finish(claim, replace(scored(), figures={"gain": scored().figures["aopc_compr"]}, values={
        name: [0.0, 1.0] for name in ("before", "after", "goal")
    }))  # fmt: skip
    at.run()
    assert not at.exception
    assert at.selectbox(key="sort").value == "Rank"
    assert rows(at) == ["Mine"]
    assert "Gain, points" in at.selectbox(key="sort").options


@pytest.mark.parametrize(("better", "wanted"), [("higher", [2, 1]), ("lower", [1, 2]), ("neither", [2, 1])])
def test_a_figure_has_its_best_row_first_and_what_has_no_number_last(better, wanted):
    from attnlab_core.rounds import Column, Line
    from attnlab_core.rounds._export import Table
    from pages.ui.board_table import ordered

    figures = [{"x": {"mean": 1.0}}, {"x": {"mean": 2.0}}, {}, {"x": {"mean": float("nan")}}]
    lines = [Line(1, True, k, "T", "t", False, one, {}, "") for k, one in enumerate(figures, start=1)]
    table = Table("r", "explain", "public", (Column("x", "X", "", better),), tuple(lines), {})
    assert [line.number for line in ordered(table, "X")] == [*wanted, 3, 4]
    assert [line.number for line in ordered(table, "X", turned=True)] == [*wanted[::-1], 3, 4]


def test_a_wrong_document_lists_every_problem_and_nothing_is_sent(board, backend):
    at = visit("leaderboard", backend)
    wrong = document(title="", track="explain", wrong=1)
    del wrong["scores"]
    for key in ("check", "submit"):
        at.file_uploader[0].set_value(("mine.json", dumped(wrong), "application/json"))
        fill(at, f"Ann {key}", board.register(f"Ann {key}"))
        press(at, key)
        assert "Nothing was sent: some things are wrong." in said(at)
        for problem in ("title:", "wrong: there is no such part", "scores: it is missing"):
            assert problem in shown(at)
    assert [one.baseline for one in board.submissions("spring")] == [True]


@pytest.mark.parametrize("raw", [b"PK\x03\x04", b"[" * 100_000, b'{"schema": NaN}', b"[]", b"\xff"])
def test_what_is_no_document_is_said_in_a_line(raw, board, backend):
    at = visit("leaderboard", backend)
    at.file_uploader[0].set_value(("mine.json", raw, "application/json"))
    press(at.run(), "check")
    assert "Nothing was sent: one thing is wrong." in said(at)


def test_check_says_that_a_document_fits_and_keeps_nothing(board, backend):
    at = press(fill(visit("leaderboard", backend), text=document(title="My try")), "check")
    assert "Nothing is wrong with 'My try'" in said(at)
    assert len(board.submissions("spring")) == 1


def test_a_new_team_submits_and_its_row_comes_when_it_is_scored(board, backend):
    at = press(fill(visit("leaderboard", backend), "Ann", text=document(title="Mine")), "new")
    key = at.text_input(key="board.key").value
    assert [one.value for one in at.code] == [key]
    press(at, "submit")
    assert "kept as submission 2" in said(at)
    assert "python -m attnlab_core task worker" in said(at)
    assert at.text_area(key="board.text").value == ""
    assert ">queued</bdi>" in shown(at)
    assert ">Mine</bdi>" not in table(at)
    press(at, "copied")
    assert not at.code
    score(board, 2)
    at.run()
    assert ">scored</bdi>" in shown(at)
    assert ">Mine</bdi>" in table(at)
    assert "0.250 (0.150 to 0.350)" in table(at)
    (entry,) = board.submissions("spring", team="Ann")
    assert (entry.title, entry.status) == ("Mine", "scored")


def test_a_second_press_of_submit_says_nothing_else(board, backend):
    at = fill(visit("leaderboard", backend), "Ann", board.register("Ann"), document())
    for _ in range(2):
        press(at, "submit")
        assert "kept as submission 2" in said(at)
    assert len(board.submissions("spring")) == 2


def test_how_far_scoring_is_and_why_it_was_refused(board, backend):
    key = board.register("Ann")
    numbers = [board.submit("spring", "Ann", key, document(k)) for k in (1, 2)]
    claims = [board.claim(job, "w") for number in numbers for job in board.waiting(number)]
    board.beat(claims[0], 1, 2)
    board.refuse(claims[1], "claim: no sentence fits")
    at = fill(visit("leaderboard", backend))
    assert "running, 1 of 2" in shown(at)
    assert "refused: claim: no sentence fits" in shown(at)
    assert "1 row of this track is still to be scored." in shown(at)


def test_a_team_takes_its_row_back_with_its_key_alone(board, backend):
    number = board.submit("spring", "Ann", board.register("Ann"), document(title="Mine"))
    key = board.register("Bob")
    score(board, number)
    at = fill(visit("leaderboard", backend), "Ann", key)
    assert ">Mine</bdi>" in table(at)
    at.selectbox(key="board.gone").set_value(str(number)).run()
    press(at, "withdraw")
    assert "the key is not its key" in said(at)
    assert board.submission(number).status == "scored"


def test_a_row_that_is_taken_back_leaves_the_table(board, backend):
    key = board.register("Ann")
    number = board.submit("spring", "Ann", key, document(title="Mine"))
    score(board, number)
    at = fill(visit("leaderboard", backend), "Ann", key)
    at.selectbox(key="board.gone").set_value(str(number)).run()
    press(at, "withdraw")
    assert f"Submission {number} is withdrawn." in said(at)
    assert ">Mine</bdi>" not in table(at)
    assert ">withdrawn</bdi>" in shown(at)


def test_a_wrong_key_and_an_unknown_team_get_the_same_words(board, backend):
    board.register("Ann")
    told = set()
    for team in ("Ann", "Nobody"):
        at = press(fill(visit("leaderboard", backend), team, "wrong", document()), "submit")
        told.add(said(at))
    assert len(told) == 1
    assert "the key is not its key" in told.pop()
    assert len(board.submissions("spring")) == 1


def test_the_key_is_in_no_address_session_or_report_and_goes_on_request(board, backend):
    from attnlab_core import session
    from pages.ui import page_report, sharing

    at = press(fill(visit("leaderboard", backend), "Ann", text=document()), "new")
    key = at.text_input(key="board.key").value
    press(at, "submit")
    link, here = shared(at), at.session_state["_board"]
    states = tuple(at.session_state["_visits"].values())
    report = page_report.made(here, session.State("leaderboard"), {}, link)
    written = sharing.written(here, states)
    assert "Raw attention" in written
    assert "Raw attention" in report
    assert not [text for text in (link, written, report, str(dict(at.query_params))) if key in text]
    press(at, "forget")
    assert at.text_input(key="board.key").value == ""
    assert not [name for name in ("board.key", "_board_new") if at.session_state[name]]
    assert key not in [one.value for one in at.code]


def test_a_closed_round_shows_the_hidden_split_and_takes_nothing(board, backend):
    board.set_state("spring", "closed")
    for job in board.waiting():
        assert board.finish(board.claim(job, "w"), scored(0.5))
    at = visit("leaderboard", backend)
    assert "0.500 (" in table(at)
    assert "The round is closed. It takes no more." in said(at)
    assert not [one for one in at.button if one.key in ("board.submit", "board.check", "board.new")]
    at = visit("leaderboard", backend, split="Public")
    assert "0.125 (" in table(at)


def test_an_open_round_shows_no_hidden_split_whatever_the_address_says(board, backend):
    at = visit("leaderboard", backend, split="Hidden")
    assert "on the public split" in told(at)
    assert "0.125 (" in table(at)
    assert "The hidden split is scored and shown when the round is closed." in told(at)
    assert "Seed of the round" not in shown(
        visit("leaderboard", backend, row="1")
    )  # it would draw the hidden labels


def test_a_row_is_opened_by_the_address_and_puts_itself_there(board, backend):
    number = board.submit("spring", "Ann", board.register("Ann"), document(title="Mine"))
    score(board, number)
    at = visit("leaderboard", backend, row=str(number))
    assert "As &lt;i&gt;it&lt;/i&gt; is.\nReally." in shown(at)
    assert all(fact in shown(at) for fact in (">d1<", ">ab12<", ">0.1.0<", ">As is.<"))
    at.selectbox(key="board.row").set_value("1").run()
    assert at.query_params["row"] == "1"
    assert "There is no report with it." in shown(at)
    for odd in ("99", "x", "-1", NASTY):
        assert visit("leaderboard", backend, row=odd).selectbox(key="board.row").value is None


def test_what_teams_and_organisers_type_is_never_markup(tmp_path, monkeypatch, backend):
    from attnlab_core.rounds.board import Board

    nasty = "<img src=x> **bold** :material/home: $x$"
    board = Board(home(tmp_path, monkeypatch))
    board.add_round(small_round(title=nasty, about=nasty))
    board.set_state("spring", "open")
    key = board.register(nasty)
    number = board.submit("spring", nasty, key, document(title=nasty, report=f"{nasty}\n# {nasty}"))
    claim = board.claim(board.waiting()[0], "w")
    board.finish(claim, replace(scored(), facts=scored().facts | {"notes": [nasty]}))
    at = fill(visit("leaderboard", backend, row=str(number)), nasty, key, document(title=nasty, bad=1))
    press(at, "check")
    read = [one.value for kind in (at.markdown, at.header, at.subheader, at.info, at.error) for one in kind]
    assert len([text for text in read if "\\*\\*bold" in text]) >= 4
    bare = re.sub(r"\\.", "", "\n".join(read))  # without what is escaped
    assert not re.search(r"\*\*bold|:material|<img|\$x", bare)
    assert not re.search(r":material|:\\?material", "\n".join(read))
    assert "<img" not in shown(at)
    assert shown(at).count("&lt;img src=x&gt;") >= 5


def test_dates_that_were_changed_are_those_on_the_page_and_it_says_when(board, backend):
    assert "dates" not in told(visit("leaderboard", backend))
    board.set_dates("spring", closes="2999-12-01")
    at = visit("leaderboard", backend)
    (_, changed) = board.dates("spring")
    when = changed.since[:16].replace("T", " ")
    assert f"it takes submissions until 2999-12-01 00:00 UTC; its dates were changed on {when} UTC." in told(
        at
    )


def test_a_database_that_does_not_answer_is_said_in_a_line(tmp_path, monkeypatch, backend):
    from attnlab_core.rounds.board import Board

    monkeypatch.setenv("ATTENTIONLAB_DB", "postgresql://me:secret@127.0.0.1:1/none")
    at = visit("leaderboard", backend)
    (line,) = at.error
    assert "does not answer" in line.value
    assert "Start the database" in line.value
    assert "secret" not in str(at.main)
    Board(home(tmp_path, monkeypatch)).add_round(small_round())
    press(at, "again")
    assert not at.error
    assert "It takes submissions once the organiser opens it." in said(at)


def test_a_database_without_a_scored_row_says_so(board, backend):
    at = visit("leaderboard", backend, track="Edit")
    assert "Nothing is scored on the public split of this track yet." in said(at)
    assert not at.get("vega_lite_chart")
    at = press(fill(at, "Ann", board.register("Ann"), edits()), "submit")
    assert "kept as submission 2" in said(at)


def test_the_example_of_a_track_is_a_submission_that_fits_and_runs_no_model(board, monkeypatch):
    from attnlab_core.rounds import _baselines, read
    from pages.ui import board_send

    monkeypatch.setattr(_baselines, "model", lambda _: pytest.fail("the model was asked for"))
    for track in ("explain", "edit"):
        text = board_send._example(board, board.round("spring"), track)
        assert read(text, board.round("spring")).track == track


def test_the_page_starts_a_worker_where_none_is_alive_and_never_scores(board, monkeypatch):
    from attnlab_core.rounds import _scoring, worker
    from pages.ui import board_work

    started: list[str] = []
    monkeypatch.setattr(worker, "start", started.append)
    monkeypatch.setattr(_scoring, "score", lambda *_, **__: pytest.fail("the page scores"))
    number = board.submit("spring", "Ann", board.register("Ann"), document())
    board_work.hand_over(board, number)
    assert "task worker" in board_work.keep(board)
    assert not started
    monkeypatch.delenv("ATTENTIONLAB_WORKER")
    board_work.hand_over(board, number)
    assert started == [board.url]
    board.seen("w")
    board_work.hand_over(board, number)
    assert board_work.keep(board) == ""
    assert len(started) == 1


def test_the_figure_names_every_row_and_tells_baselines_apart():
    rows = [
        {"rank": "1=", "name": "<b>Mine</b>", "baseline": False, "value": 0.25, "low": 0.2, "high": 0.3},
        {"rank": "1=", "name": "No edit", "baseline": True, "value": float("nan"), "low": None, "high": None},
    ]
    chart = charts.board_chart(rows, title="Gain, points", percent=True)
    drawn = charts.svg(chart)
    for text in (
        "1=\u2002&lt;b&gt;Mine&lt;/b&gt;",
        "1=\u2002No edit",
        "Gain, points",
        "25 (20 to 30)",
        "no number",
    ):
        assert text in drawn or text in json.dumps(chart.to_dict(), ensure_ascii=False)
    assert "NaN" not in json.dumps(chart.to_dict())


def test_the_figure_of_rows_that_are_all_zero_has_an_axis():
    row = {"rank": "1=", "name": "No edit", "baseline": True, "value": 0.0, "low": 0.0, "high": 0.0}
    assert ">−1.0<" in charts.svg(charts.board_chart([row, row], title="Gain, points", percent=True))


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A fresh server over a board with one open round of real sentences, and that board; its worker is ended."""
    from attnlab_core.rounds import new
    from attnlab_core.rounds.board import Board
    from benchmarks.serving import serving

    made = Board(home(tmp_path, monkeypatch))
    made.add_round(
        new("spring", model="sst2", source={"suite": "negation"}, rows=24, tracks=("explain", "edit"))
    )
    made.set_state("spring", "open")
    monkeypatch.delenv("ATTENTIONLAB_WORKER")
    with serving() as (found, _):
        yield found, made
    for name in made.workers():
        if name.split(":")[1:]:
            os.kill(int(name.split(":")[1]), signal.SIGTERM)


@pytest.mark.browser
@pytest.mark.slow
def test_a_file_is_submitted_in_a_browser_and_scored_by_a_process_of_its_own(served, browser, tmp_path):
    from tests import walk
    from tests.test_walk import RENDERED

    address, board = served
    visit_ = walk.enter(browser, f"{address}leaderboard?round=spring")
    page = visit_.page
    try:
        page.get_by_label("Team", exact=True).fill("<b>Owls</b> :material/home:")
        page.get_by_role("button", name="New team").click()
        page.get_by_text("Copy it now").wait_for()
        key = page.locator(".st-key-board-key code").inner_text().strip()
        with page.expect_download() as got:
            page.get_by_role("button", name="Example (explain)").click()
        document_ = json.loads(Path(got.value.path()).read_text(encoding="utf-8"))
        document_["title"] = walk_title = "<img src=x> **bold** :material/home:"
        file = tmp_path / "mine.json"
        file.write_text(json.dumps(document_), encoding="utf-8")
        with page.expect_response(
            lambda said: "/upload_file/" in said.url
        ):  # its name is there before it is sent
            page.locator("[data-testid=stMain] input[type=file]").set_input_files(file)
        page.get_by_text("mine.json").wait_for()
        walk.settle(page)
        page.get_by_role("button", name="Check").click()
        page.get_by_text("Nothing is wrong with").wait_for()
        page.get_by_role("button", name="Submit").click()
        page.get_by_text("kept as submission 1").wait_for()
        row = page.get_by_role("region", name="The table").get_by_role("row").filter(has_text=walk_title)
        row.wait_for(timeout=4 * walk.PATIENCE)
        assert re.search(r"1\s+<img src=x>.*Owls", row.inner_text(), re.DOTALL)
        for size in walk.SIZES:
            visit_.resize(size)
            visit_.wait()
            assert visit_.wrong() == []
        assert page.evaluate(RENDERED) == []
        page.get_by_role("combobox", name="Sort by").focus()
        page.keyboard.type("Title")
        page.keyboard.press("Enter")
        page.locator("th[aria-sort=ascending]", has_text="Title").wait_for()
        page.get_by_role("switch", name="The other way round").focus()
        page.keyboard.press("Space")
        page.locator("th[aria-sort=descending]", has_text="Title").wait_for()
        assert "sort=Title&turned=true" in page.url
        assert page.get_by_role("img", name="home icon").count() == 0
        assert key not in page.url
    finally:
        page.context.close()
    (entry,) = board.submissions("spring")
    assert (entry.status, entry.team) == ("scored", "<b>Owls</b> :material/home:")
