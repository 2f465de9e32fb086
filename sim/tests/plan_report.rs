//! What is written of a plan: from a recorded result, and from results made large, empty and unstable.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use yardmaster_engine::Span;
use yardmaster_sim::planning::statistics::Estimate;
use yardmaster_sim::planning::{
    Answer, Confirmation, Gain, Grouping, JobSet, Judgement, Left, LeftBy, Objective, ObjectiveResult, PlanResult,
    PointResult, Queue, Restriction, Target, WaitCauses, terminal_tables, write_all,
};

const PICTURES: [&str; 8] = ["tradeoff", "heat_map", "waits", "distribution", "week", "causes", "gains", "hosts"];

fn recorded() -> PlanResult {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/plan-result.json.gz");
    let mut text = String::new();
    let packed = fs::File::open(file).expect("the recorded result");
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).expect("it unpacks");
    serde_json::from_str(&text).expect("it is a result")
}

/// 30 kinds of host with long names, 120 plans of which some are unstable, waits without end, and no answer.
fn large() -> PlanResult {
    let mut result = recorded();
    let kinds: Vec<String> =
        (0..30).map(|kind| format!("r8a77{kind:02}-iwg20d-q7-rev{kind}-openblocks-iot-vx2")).collect();
    let of_kind = |kind: &String| Objective {
        name: format!("prompt: {kind}"),
        target: Target::StartWithin { limit: Span::from_seconds(600), share: 0.95 },
        only: vec![Restriction { grouping: Grouping::HostKind, values: vec![kind.clone()] }],
        of: Some((Grouping::HostKind, kind.clone())),
    };
    result.objectives = kinds.iter().map(of_kind).collect();
    let share = |value: f64| Estimate { value, low: (value - 0.02).max(0.0), high: (value + 0.02).min(1.0) };
    let point = |number: usize, like: &PointResult| {
        let value = 0.3 + 0.65 * (number % 40) as f64 / 40.0;
        let found = |kind: usize| ObjectiveResult {
            estimate: Some(share((value + 0.01 * (kind % 7) as f64).min(1.0))),
            judgement: Judgement::Missed,
        };
        PointResult {
            differences: vec![
                format!("{} 4 → {number}", kinds[number % 30]),
                format!("{} 2 → 3", kinds[(number + 1) % 30]),
            ],
            cost: 1000.5 * (number as f64 - 10.0),
            objectives: (0..30).map(|kind| (kind != number % 30).then(|| found(kind))).collect(),
            on_time: Some(share(value)),
            unstable: if number % 5 == 1 {
                kinds[..number % 9].iter().cloned().map(Queue::Hosts).collect()
            } else {
                Vec::new()
            },
            suffices: false,
            ..like.clone()
        }
    };
    let like = result.points[result.points.len() - 1].clone();
    result.points.extend((result.points.len()..120).map(|number| point(number, &like)));
    for point in &mut result.points {
        point.objectives.resize(30, None);
        point.suffices = false;
    }
    result.answer =
        Answer::None { nearest: 100, left: Left { objectives: vec![0, 7], queues: Vec::new(), by: LeftBy::Itself } };
    let never = Estimate { value: f64::INFINITY, low: 4000.0, high: f64::INFINITY };
    let after = result.after.as_mut().expect("an answer");
    after.point = 100;
    for detail in [&mut result.before, after] {
        let (all, host) = (detail.waits[0].clone(), detail.hosts[0].clone());
        for kind in &kinds {
            let jobs = JobSet::Of(Grouping::HostKind, kind.clone());
            detail.waits.push(yardmaster_sim::planning::WaitFigures {
                jobs: jobs.clone(),
                never: Some(0.06),
                ..all.clone()
            });
            let waits = detail.waits.last_mut().expect("just pushed");
            waits.percentiles[2] = Some(never);
            detail.hosts.push(yardmaster_sim::planning::HostFigures { kind: kind.clone(), ..host.clone() });
            let causes = (0..9).map(|cause| (format!("{kind} hosts busy with {cause}"), 100.0)).collect();
            detail.causes.push(WaitCauses { jobs, causes, parser: 0.0 });
        }
    }
    let gain = |kind: &String| Gain { resource: format!("one more {kind}"), on_time: share(0.01), jobs: 12.0 };
    result.gains = kinds.iter().chain(&kinds).map(gain).collect();
    result
}

/// Nothing was seen: no jobs, no hosts, no hours, one plan.
fn empty() -> PlanResult {
    let mut result = recorded();
    result.changes.clear();
    result.objectives.clear();
    result.points.truncate(1);
    result.points[0].objectives.clear();
    result.points[0].on_time = None;
    result.points[0].gain = None;
    (result.answer, result.after, result.heat_map) = (Answer::AsItIs, None, None);
    result.path.clear();
    result.gains.clear();
    result.before.waits.clear();
    result.before.hosts.clear();
    result.before.growth.clear();
    result.before.causes.clear();
    result.before.week = yardmaster_sim::planning::Week::default();
    result
}

fn write(result: &PlanResult, plots: bool) -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files = write_all(result, folder.path(), plots).expect("outputs are written");
    (folder, files)
}

fn read(folder: &TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn rows(folder: &TempDir, name: &str) -> (Vec<String>, Vec<csv::StringRecord>) {
    let mut reader = csv::Reader::from_path(folder.path().join(name)).expect("a table");
    let header = reader.headers().expect("a header").iter().map(str::to_owned).collect();
    (header, reader.records().collect::<Result<_, _>>().expect("rows of the header's length"))
}

/// Every SVG is well-formed, and no text of it reaches over its edges.
fn check_pictures(folder: &TempDir) {
    for entry in fs::read_dir(folder.path().join("plots")).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "png") {
            assert!(fs::read(&path).expect("the PNG").starts_with(b"\x89PNG"), "{}", path.display());
            continue;
        }
        let mut options = resvg::usvg::Options::default();
        for font in ["DejaVuSans-subset.ttf", "DejaVuSans-Bold-subset.ttf"] {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(font);
            options.fontdb_mut().load_font_data(fs::read(file).expect("the bundled font"));
        }
        let text = fs::read_to_string(&path).expect("the SVG");
        let tree = resvg::usvg::Tree::from_str(&text, &options).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let (size, inside) = (tree.size(), tree.root().abs_bounding_box());
        assert!(inside.left() >= -0.5 && inside.top() >= -0.5, "{path:?} begins at {inside:?}");
        assert!(inside.right() <= size.width() + 0.5 && inside.bottom() <= size.height() + 0.5, "{path:?}: {inside:?}");
    }
}

#[test]
fn a_plan_has_all_files_and_the_same_bytes_again() {
    let result = recorded();
    let ((folder, files), (again, _)) = (write(&result, true), write(&result, true));
    assert_eq!(files.len(), 1 + 10 + 1 + 2 * PICTURES.len(), "plan.json, tables, page, pictures");
    for file in &files {
        let name = file.strip_prefix(folder.path()).expect("it lies in the folder");
        let read = |path: &Path| fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(read(file) == read(&again.path().join(name)), "{} differs", name.display());
    }
    for name in PICTURES {
        assert!(read(&folder, &format!("plots/{name}.svg")).contains("@font-face"), "{name}.svg brings its font along");
    }
    check_pictures(&folder);
    let kept: PlanResult = serde_json::from_str(&read(&folder, "plan.json")).expect("JSON");
    assert_eq!(kept, result);
}

#[test]
fn the_page_says_the_answer_and_every_objective() {
    for result in [recorded(), large()] {
        let (folder, _) = write(&result, false);
        let page = read(&folder, "report.html");
        let answer = page.find(&result.sentence()).expect("the answer");
        assert!(page[..answer].contains("<h1"), "the answer is the heading");
        for objective in &result.objectives {
            assert!(page.contains(&objective.name), "the page lacks {}", objective.name);
        }
        for assumption in &result.assumptions {
            assert!(page.contains(assumption), "the page lacks {assumption:?}");
        }
        assert!(page.contains("yardmaster-sim plan plan-small.toml --seed 1"));
        let page = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        for outside in ["http://", "https://", "src=\"", "href=", "<script", "@import"] {
            assert!(!page.contains(outside), "the report has {outside}");
        }
    }
}

#[test]
fn tables_have_the_documented_columns_and_a_row_for_each_point() {
    let documentation = include_str!("../../docs/plans.md");
    let result = large();
    let (folder, files) = write(&result, false);
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "csv")) {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(documentation.contains(&format!("`{name}`")), "{name} is not in docs/plans.md");
        for column in rows(&folder, name).0 {
            assert!(documentation.contains(&format!("`{column}`")), "{column} of {name} is not in docs/plans.md");
        }
    }
    let (header, points) = rows(&folder, "points.csv");
    assert_eq!(points.len(), result.points.len());
    let column = |name: &str| header.iter().position(|column| column == name).expect("the column");
    let marked = |name: &str| points.iter().filter(|row| &row[column(name)] == "1").count();
    assert_eq!((marked("as_it_is"), marked("one_more"), marked("answer")), (1, 4, 0));
    assert_eq!(rows(&folder, "objectives.csv").1.len(), result.points.len() * result.objectives.len());
    assert_eq!(rows(&folder, "gains.csv").1.len(), result.gains.len());
    let (header, waits) = rows(&folder, "waits.csv");
    let p95 = header.iter().position(|column| column == "p95_s").expect("the column");
    assert_eq!(waits.iter().filter(|row| &row[p95] == "inf").count(), 60);
    let grouping = header.iter().position(|column| column == "grouping").expect("the column");
    assert!(waits.iter().any(|row| &row[grouping] == "host_kind"), "groupings are called as in plans");
}

#[test]
fn figures_that_no_search_has_looked_at_are_those_to_quote() {
    let mut result = recorded();
    let answer = result.chosen();
    let anew = ObjectiveResult {
        estimate: Some(Estimate { value: 0.98765, low: 0.97654, high: 0.99876 }),
        judgement: Judgement::Met,
    };
    result.points[answer].confirmation = Some(Confirmation {
        replications: 9,
        objectives: vec![Some(anew); result.objectives.len()],
        unstable: Vec::new(),
        holds: true,
    });
    let terminal = terminal_tables(&result);
    assert!(terminal.contains("then, judged anew") && terminal.contains("98.8 % (97.7–99.9)"), "{terminal}");
    let (folder, _) = write(&result, false);
    let page = read(&folder, "report.html");
    assert!(page.contains("answer, judged anew") && page.contains("98.8 % (97.7–99.9)"));
    let (header, objectives) = rows(&folder, "objectives.csv");
    let column = |name: &str| header.iter().position(|column| column == name).expect("the column");
    let of_answer: Vec<_> = objectives.iter().filter(|row| row[column("point")] == answer.to_string()).collect();
    assert!(!of_answer.is_empty() && of_answer.iter().all(|row| &row[column("anew_judgement")] == "met"));
    assert!(of_answer.iter().all(|row| &row[column("anew_low")] == "0.97654"));
}

#[test]
fn a_large_result_is_shown_in_part_and_the_report_says_so() {
    let (folder, _) = write(&large(), true);
    check_pictures(&folder);
    let page = read(&folder, "report.html");
    for text in [
        "No plan within the bounds is shown to suffice",
        "more are in waits.csv",
        "30 more are in gains.csv",
        "unstable: ",
    ] {
        assert!(page.contains(text), "the page lacks {text:?}");
    }
    assert!(read(&folder, "plots/waits.svg").contains("without end"));
    assert!(read(&folder, "plots/tradeoff.svg").contains("nearest plan: "));
}

#[test]
fn a_result_of_nothing_has_a_page_and_no_pictures() {
    let (folder, _) = write(&empty(), true);
    let page = read(&folder, "report.html");
    assert!(page.contains("There is no trade-off") && !page.contains("<svg"), "nothing is drawn");
    assert_eq!(rows(&folder, "points.csv").1.len(), 1);
    assert!(!folder.path().join("plots/tradeoff.svg").exists());
}

#[test]
fn pictures_of_an_earlier_plan_do_not_stay() {
    let (folder, _) = write(&recorded(), true);
    let picture = |name: &str| folder.path().join("plots").join(name).exists();
    assert!(picture("heat_map.png") && picture("week.svg"));
    write_all(&PlanResult { heat_map: None, ..recorded() }, folder.path(), true).expect("outputs are written");
    assert!(!picture("heat_map.png") && !picture("heat_map.svg") && picture("week.svg"));
    write_all(&recorded(), folder.path(), false).expect("outputs are written");
    assert!(!picture("week.svg"));
}

#[test]
fn names_are_escaped_and_indices_beyond_the_end_do_no_harm() {
    let mut result = recorded();
    result.name = "<b> & co".to_owned();
    result.before.waits[1].jobs = JobSet::Of(Grouping::HostKind, "a<b".to_owned());
    result.path.push(9999);
    result.heat_map.as_mut().expect("two changes").points[0] = 9999;
    result.points[3].point.0.clear();
    let (folder, _) = write(&result, true);
    let page = read(&folder, "report.html");
    assert!(!page.contains("<b> & co") && !page.contains("a<b"));
    assert!(read(&folder, "plots/waits.svg").contains("a&lt;b"));
}
