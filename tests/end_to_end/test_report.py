"""The page about a run, in a real browser and from folders in every state."""

import json
import random
import re
import shutil
from pathlib import Path

import pytest
import yaml

from ratchet.cli.verbs import verb_of
from ratchet.errors import UserError
from ratchet.record.records import Records
from ratchet.record.run_data import load
from ratchet.reporting.figures.figures import comparison, figures
from ratchet.reporting.figures.three_d import densities
from ratchet.reporting.page.facts import gather
from ratchet.reporting.page.write import compare, write

SCREENS = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
        "color_scheme": "light",
    },
}


@pytest.fixture(scope="module")
def run(demo, tmp_path_factory):
    """A copy of the demo's folder, which tests may change."""
    folder = tmp_path_factory.mktemp("report") / "demo"
    shutil.copytree(demo.folder, folder, ignore=shutil.ignore_patterns("data", "*.safetensors"))
    return folder


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium, driven by Playwright."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="no Playwright: pip install -e '.[dev]'")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium to look at the page with: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


def visit(browser, page: Path, screen: str):
    """Open a page and scroll through it; returns the tab, and what it complained of or asked for."""
    context = browser.new_context(**SCREENS[screen])
    tab, found = context.new_page(), []
    tab.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: found.append(str(error)))
    url = page.resolve().as_uri()
    context.on(
        "request",
        lambda request: (
            found.append(request.url)
            if request.url != url and not request.url.startswith(("blob:", "data:"))
            else None
        ),
    )
    tab.goto(url)
    for _ in range(300):
        if tab.evaluate("!!document.querySelector('.fig .main-svg')"):
            break
        tab.wait_for_timeout(100)
    height = tab.evaluate("document.documentElement.scrollHeight")
    for y in range(0, height, 600):
        tab.evaluate(f"scrollTo(0, {y})")
        tab.wait_for_timeout(100)
    # Figures are drawn when they are scrolled to; an error would come with the last of them.
    drawn = "[...document.querySelectorAll('.fig')].every(d => d.querySelector('.main-svg, .snap'))"
    _wait(tab, drawn, 10)
    tab.evaluate("scrollTo(0, 0)")
    tab.wait_for_timeout(300)
    return tab, found


def _wait(tab, expression: str, seconds: float) -> bool:
    """Ask until it holds; what Playwright has for this evaluates a text in the page, which its policy forbids."""
    for _ in range(round(seconds / 0.1)):
        if tab.evaluate(expression):
            return True
        tab.wait_for_timeout(100)
    return False


@pytest.mark.parametrize("screen", SCREENS)
def test_the_page_opens_anywhere_without_an_error_or_a_request(browser, run, root, screen):
    page = write(run)
    assert page.stat().st_size < 5_000_000
    tab, complaints = visit(browser, page, screen)
    assert complaints == []
    assert not tab.evaluate("document.documentElement.scrollWidth > innerWidth"), "wider than the screen"
    drawn = tab.evaluate(
        "[...document.querySelectorAll('.fig')].filter(d => d.querySelector('.main-svg, .snap')).length"
    )
    assert drawn == len(figures(load(run))) >= 18
    pictures = root / "outputs" / "tests"
    pictures.mkdir(parents=True, exist_ok=True)
    tab.screenshot(path=pictures / f"report-{screen}.png", full_page=True)
    background = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (screen != "dark")
    tab.context.close()


def test_every_figure_is_drawn_for_print(browser, run):
    context = browser.new_context(**SCREENS["light"])
    tab = context.new_page()
    tab.goto(write(run).resolve().as_uri())
    assert _wait(tab, "!!document.querySelector('.fig .main-svg')", 30)
    drawn = "[...document.querySelectorAll('.fig')].filter(d => d.querySelector('.main-svg, .snap')).length"
    assert tab.evaluate(drawn) < len(figures(load(run)))
    tab.pdf(path=run.parent / "report.pdf")
    assert tab.evaluate(drawn) == len(figures(load(run)))
    context.close()


def test_the_page_shows_the_improvement_and_completions_can_be_browsed(browser, run):
    tab, _ = visit(browser, write(run), "light")
    before, after = (entry["accuracy"] for entry in (load(run).result["before"], load(run).result["after"]))
    verdict = tab.inner_text(".verdict")
    assert f"went from {before:.3f} to {after:.3f}" in verdict and "clearly above" in verdict

    def count():
        return int(tab.inner_text("#count").split()[0])

    newest = count()
    tab.select_option("#source", "evaluation at step 0")
    everything = count()
    tab.select_option("#which", "right")
    right = count()
    tab.select_option("#which", "wrong")
    assert right + count() == everything == newest and 0 < right < everything
    marked = tab.evaluate("document.querySelector('#rows mark').textContent")
    assert marked in "ABCDE"
    tab.select_option("#source", "training")
    tab.select_option("#which", "all")
    tab.select_option("#order", "low")
    rewards = tab.evaluate(
        "[...document.querySelectorAll('#rows header')].map(h => +h.textContent.match(/reward ([-0-9.]+)/)[1])"
    )
    assert rewards == sorted(rewards) and len(rewards) == 20
    tab.click("#more")
    assert tab.evaluate("document.querySelectorAll('#rows article').length") > 20
    tab.fill("#words", "no such text")
    assert count() == 0
    tab.context.close()


def test_the_same_rows_stand_side_by_side_before_and_after(browser, run):
    tab, _ = visit(browser, write(run), "phone")
    tab.select_option("#source", "both")
    found = load(run)
    first, last = (
        {a["id"]: a["correct"] for a in e["answered"]} for e in (found.evaluations[0], found.evaluations[-1])
    )
    for which, wanted in (("gained", (False, True)), ("lost", (True, False))):
        tab.select_option("#which", which)
        expected = sum((first[id], last[id]) == wanted for id in list(first)[:400])
        assert int(tab.inner_text("#count").split()[0]) == expected
    tab.select_option("#which", "gained")
    row = tab.locator("#rows .row").first
    assert row.locator(".pair > div").count() == 2
    assert row.locator(".good, .bad").all_inner_texts() == ["wrong", "right"]
    tab.select_option("#source", "training")
    assert tab.input_value("#which") == "all"


def test_the_accuracies_and_their_intervals_can_be_read_on_a_phone(browser, run):
    tab, _ = visit(browser, write(run), "phone")
    after = load(run).result["after"]
    line = tab.locator(".share", has_text="accuracy after")
    track, span, value = (line.locator(name).bounding_box() for name in (".track", ".range", "b"))
    assert span["width"] == pytest.approx(track["width"] * (after["high"] - after["low"]), abs=3)
    assert value["x"] >= 0 and value["x"] + value["width"] <= 390
    assert line.locator("b").inner_text() == f"{after['accuracy']:.3f}"


def test_an_audit_can_be_read_on_a_phone(browser, tmp_path, script):
    script("ratchet", "audit", "recipes/debug/grpo.yaml", "--html", "audit.html")
    context = browser.new_context(**SCREENS["phone"])
    tab = context.new_page()
    tab.goto((tmp_path / "audit.html").resolve().as_uri())
    assert not tab.evaluate("document.documentElement.scrollWidth > innerWidth")
    row = tab.locator("tr", has_text="gold, bare")
    boxes = [cell.bounding_box() for cell in row.locator("td[data-of]").all()]
    assert boxes and all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)
    row.locator("summary").click()
    assert row.locator("pre").is_visible()
    context.close()


def test_text_of_a_model_cannot_become_part_of_the_page(browser, run, tmp_path):
    folder = tmp_path / "evil"
    shutil.copytree(run, folder)
    text = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    entries = [json.loads(line) for line in (folder / "diagnostics/evaluations.jsonl").read_text().splitlines()]
    for entry in entries:
        for answered in entry["answered"]:
            answered["completion"] = answered["prompt"] = answered["id"] = text
    (folder / "diagnostics/evaluations.jsonl").write_text("\n".join(json.dumps(entry) for entry in entries) + "\n")
    (folder / "diagnostics/alarms.jsonl").write_text(json.dumps({"step": 1, "text": text}) + "\n")
    tab, complaints = visit(browser, write(folder), "light")
    assert complaints == [] and tab.title() == "evil"
    assert text in tab.inner_text("#rows")
    tab.context.close()


def test_every_figure_is_one_that_plotly_knows(run):
    plotly = pytest.importorskip("plotly.graph_objects")
    for name, figure in {**figures(load(run)), **comparison([load(run)])}.items():
        plotly.Figure({"data": figure["data"], "layout": figure["layout"]})  # raises for any key that there is not
        assert isinstance(figure["layout"]["title"]["text"], str), name
        json.dumps(figure, allow_nan=False)


def test_the_report_says_what_was_run_and_where_the_seconds_went(run):
    facts = gather(load(run))
    about = dict(facts.about)
    assert about["task"] == "aquarat" and len(about["training rows"].rsplit(" ", 1)[1]) == 64
    assert "accelerate launch" in about["command"] and "torch" in about["versions"]
    assert sum(share for _, _, share in facts.seconds) == pytest.approx(1)
    assert {"rollout", "training", "reward"} <= {phase for phase, _, _ in facts.seconds}
    assert facts.audit and any(policy.startswith("always ") for policy, *_ in facts.audit)


def test_the_commands_that_the_report_names_can_be_typed(run, root):
    for _, words in gather(load(run)).commands:
        for word in words.split():
            if word.startswith("scripts/"):
                assert (root / word).is_file(), word
        for name in re.findall(r"\bratchet (\w+)", words):
            assert verb_of(name), words
    assert any("ratchet evaluate" in words for _, words in gather(load(run)).commands)


def test_a_price_gives_a_cost(run, tmp_path):
    folder = tmp_path / "priced"
    shutil.copytree(run, folder)
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    (folder / "recipe.yaml").write_text(
        yaml.safe_dump({**recipe, "report": {"price_per_hour": 3600, "currency": "EUR"}})
    )
    ((_, cost),) = [pair for pair in gather(load(folder)).totals if pair[0].startswith("cost")]
    assert cost.endswith(" EUR") and float(cost.split()[0]) == pytest.approx(
        json.loads((folder / "result.json").read_text())["seconds"], rel=0.02
    )


def test_the_markdown_twin_says_the_same(run):
    write(run)
    text = (run / "report.md").read_text(encoding="utf-8")
    for row in gather(load(run)).results:
        assert " | ".join(row) in text
    assert gather(load(run)).verdict in text and (run / "recipe.yaml").read_text() in text


def keep_only(folder: Path, *names: str) -> None:
    for path in folder.iterdir():
        if path.name not in names:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (("diagnostics", "recipe.yaml"), "there is no result.json"),
        (("trainer_state.json", "recipe.yaml"), "figures are from trainer_state.json"),
        (("recipe.yaml",), "nothing was logged yet"),
        (("result.json",), "there is no recipe.yaml"),
    ],
)
def test_a_folder_without_some_of_its_files_gives_a_page_that_says_so(run, tmp_path, kept, said):
    folder = tmp_path / "part"
    shutil.copytree(run, folder)
    keep_only(folder, *kept)
    page = write(folder)
    assert said in page.read_text(encoding="utf-8") and said in (folder / "report.md").read_text(encoding="utf-8")


def test_a_run_that_is_being_written_is_drawn_as_far_as_it_is(run, tmp_path):
    folder = tmp_path / "running"
    shutil.copytree(run, folder)
    (folder / "result.json").unlink()
    log = folder / "diagnostics/log.jsonl"
    lines = log.read_text().splitlines()[:6]
    log.write_text("\n".join(lines) + '\n{"step": 30, "lo')
    read = load(folder)
    assert read.step < 80 and "1 line of diagnostics/log.jsonl could not be used" in read.missing[0]
    assert "accuracy" in figures(read)
    assert "could not be used" in write(folder).read_text(encoding="utf-8")


def test_a_run_of_an_older_version_is_shown_with_the_names_it_had(tmp_path):
    history = [
        {"step": 0, "eval_accuracy": 0.3, "eval_accuracy_low": 0.2, "eval_accuracy_high": 0.4, "eval_majority": 0.2},
        {"step": 5, "loss": 1.0, "reward": 0.5},
    ]
    (tmp_path / "trainer_state.json").write_text(json.dumps({"log_history": history}))
    (tmp_path / "recipe.yaml").write_text("trainer: grpo\ntask: aquarat\n")
    read = load(tmp_path)
    assert read.series("eval/accuracy") == ([0], [0.3]) and "accuracy" in figures(read)
    assert any("no diagnostics were logged" in text for text in read.missing)


def test_torn_files_are_named_and_the_rest_is_shown(run, tmp_path):
    folder = tmp_path / "torn"
    shutil.copytree(run, folder)
    for name in ("result.json", "run.json", "audit.json"):
        (folder / name).write_text((folder / name).read_text()[:40])
    page = write(folder).read_text(encoding="utf-8")
    for name in ("result.json", "run.json", "audit.json"):
        assert f"{name} could not be read" in page


def test_values_of_any_kind_in_any_file_give_a_page(run, tmp_path):
    draw = random.Random(0)
    junk = [None, "text", -1, 1e308, True, [], [[]], {}, {"a": [None]}, ["x", 1], float("nan")]
    names = [
        "recipe.yaml",
        "result.json",
        "run.json",
        "audit.json",
        *(str(path.relative_to(run)) for path in run.glob("diagnostics/*.jsonl")),
    ]
    folder = tmp_path / "junk"
    for i in range(60):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(run, folder, ignore=shutil.ignore_patterns("report.*"))
        name = names[i % len(names)]
        path = folder / name
        lines = (
            [path.read_text()] if not name.endswith("l") or name == "recipe.yaml" else path.read_text().splitlines()
        )
        entries = [yaml.safe_load(line) if name == "recipe.yaml" else json.loads(line) for line in lines]
        for entry in entries:
            for key in draw.sample(sorted(entry), min(2, len(entry))):
                entry[key] = draw.choice(junk)
        if draw.random() < 0.2:
            entries = [draw.choice(junk)]
        text = (
            yaml.safe_dump(entries[0])
            if name == "recipe.yaml"
            else "\n".join(json.dumps(entry) for entry in entries) + "\n"
        )
        path.write_text(text)
        assert write(folder).stat().st_size > 100_000, (name, text[:300])


@pytest.mark.parametrize(("make", "said"), [(None, "is no folder"), ("empty", "holds no run")])
def test_what_is_no_run_is_refused(tmp_path, make, said):
    folder = tmp_path / "x"
    if make:
        folder.mkdir()
    with pytest.raises(UserError, match=said):
        load(folder)


def test_several_runs_are_compared_on_one_page(run, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(run, other)
    recipe = yaml.safe_load((other / "recipe.yaml").read_text())
    (other / "recipe.yaml").write_text(yaml.safe_dump({**recipe, "learning_rate": 0.123}))
    text = compare([run, other], tmp_path / "both.html").read_text(encoding="utf-8")
    assert "0.123" in text and "2 runs compared" in text
    assert len(comparison([load(run), load(other)])["eval/accuracy"]["data"]) == 2


@pytest.mark.apart
def test_the_script_draws_compares_and_measures_a_slice(script, demo, tmp_path):
    shutil.copytree(demo.folder, tmp_path / "outputs/demo")
    done = script("ratchet", "report", "outputs/demo", "--loss-slice", "--output", "elsewhere/page.html")
    assert "written to elsewhere/page.html" in done.stdout and (tmp_path / "elsewhere/page.md").is_file()
    found = json.loads((tmp_path / "outputs/demo/diagnostics/loss_slice.json").read_text())
    assert found["step"] == 80 and min(map(min, found["losses"])) == pytest.approx(found["losses"][5][5], abs=0.5)
    assert "loss_slice" in figures(load(tmp_path / "outputs/demo"))
    done = script("ratchet", "report", "outputs/demo", "--compare", "outputs/demo")
    assert "comparison.html" in done.stdout


@pytest.mark.parametrize(
    "words", [("nowhere",), (".",), ("outputs/demo", "--output", "/proc/x.html"), ("outputs/demo", "--output", "x.md")]
)
def test_wrong_input_ends_in_a_sentence(script, demo, tmp_path, words):
    shutil.copytree(demo.folder, tmp_path / "outputs/demo", ignore=shutil.ignore_patterns("data", "*.safetensors"))
    done = script("ratchet", "report", *words, code=2)
    assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr


def test_the_demo_ends_with_the_path_of_its_report(demo):
    line = demo.stdout.strip().splitlines()[-1]
    assert line.split()[:2] == ["report:", "outputs/demo/report.html"] and (demo.folder / "report.html").is_file()


def test_a_recipe_can_do_without_a_report_and_without_diagnostics(script, tmp_path):
    done = script(
        "scripts/sft.py",
        "recipes/debug/sft.yaml",
        "--max_steps",
        "1",
        "--report",
        "off",
        "--diagnostics",
        "off",
        "--output_dir",
        "out",
    )
    assert "report: " not in done.stdout and not (tmp_path / "out/report.html").exists()
    assert not any("time/step" in entry for entry in load(tmp_path / "out").log)


def test_plain_trl_has_its_curves_too(tmp_path):
    history = [
        {"step": s, "loss": 1.0 / s, "reward": 0.1 * s, "completions/mean_length": 10.0 * s, "entropy": 0.5}
        for s in range(1, 6)
    ]
    (tmp_path / "trainer_state.json").write_text(json.dumps({"log_history": history}))
    drawn = figures(load(tmp_path))
    assert {"reward", "lengths", "loss", "entropy"} <= set(drawn)


def test_long_runs_are_thinned_and_drawn_at_once(tmp_path):
    records = Records(tmp_path)
    layers = {f"grad/layer/{i}": 1.0 for i in range(40)}
    records.write_all("log", [{"step": s, "loss": 1.0, "learning_rate": 1e-6, **layers} for s in range(20_000)])
    drawn = figures(load(tmp_path))
    assert len(drawn["gradient_flow"]["data"][0]["y"]) == 300 and len(drawn["loss"]["data"][0]["x"]) == 1000
    assert len(json.dumps(drawn)) < 1_000_000


def test_bins_that_do_not_match_are_shared_out_by_overlap(tmp_path):
    values = [i / 1000 for i in range(1000)]
    for step in (1, 2):
        Records(tmp_path).log(step, {"loss": 1.0})
        Records(tmp_path).histograms(step, {"rollout/reward": values})
    _, _, rows = densities(load(tmp_path), "rollout/reward", bins=24)
    assert max(abs(rows[0] * 24 - 1)) < 0.05


def test_runs_of_one_name_are_told_apart(run, tmp_path):
    for place in ("a", "b"):
        shutil.copytree(run, tmp_path / place / "run", ignore=shutil.ignore_patterns("report.*"))
    text = compare([tmp_path / "a/run", tmp_path / "b/run"], tmp_path / "both.html").read_text(encoding="utf-8")
    assert f"<td>{tmp_path}/a/run" in text and f"<td>{tmp_path}/b/run" in text
