//! Command lines: what the settings may say, and what is run.

use std::fs;

use yardmaster::drones::{Commands, Template, TemplateError, WorkName};
use yardmaster_engine::{
    Command, ExecutionPath, HostId, JobId, PidfileId, PidfileName, Subdir, TaskId, TaskKind, Work, WorkKind,
};

use super::lab::{AGENT, Kind, Lab, run};

fn template(texts: &[&str]) -> Result<Template, TemplateError> {
    Template::try_from(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
}

#[test]
fn templates_that_make_no_sense_are_explained() {
    let unknown = template(&["/bin/autoserv", "-m {host}"]).expect_err("unknown").to_string();
    assert!(
        unknown.starts_with("unknown placeholder {host} in \"-m {host}\": expected one of {results_dir}, {hosts}"),
        "{unknown}"
    );
    for brace in ["-m {hosts", "-m hosts}", "{", "a}b"] {
        assert_eq!(template(&["/bin/autoserv", brace]), Err(TemplateError::Brace(brace.to_owned())));
    }
    for nothing in [&[][..], &[""], &["{hosts}"], &["/bin/{owner}"]] {
        assert_eq!(template(nothing), Err(TemplateError::NoProgram), "{nothing:?}");
    }
}

#[test]
fn settings_name_what_differs_and_are_written_as_they_were_read() {
    let text = "verify = [\"/opt/check\", \"--host {hosts}\"]\nsupervise = [\"verify\"]\n";
    let commands: Commands = toml::from_str(text).expect("settings");
    assert_eq!(commands.supervise, [WorkName::Verify]);
    assert_eq!(commands.verify, template(&["/opt/check", "--host {hosts}"]).expect("a template"));
    assert_eq!(commands.test, Commands::default().test);
    let again: Commands = toml::from_str(&toml::to_string(&commands).expect("text")).expect("settings");
    assert_eq!(again, commands);
    let error = toml::from_str::<Commands>("test = [\"/x\", \"{nonsense}\"]").expect_err("unknown").to_string();
    assert!(error.contains("unknown placeholder {nonsense}"), "{error}");
    assert!(toml::from_str::<Commands>("tests = []").is_err());
}

/// The command line that was claimed for a path.
fn line(lab: &Lab, path: &ExecutionPath) -> Vec<String> {
    let file = lab.results(1).join(path.to_string()).join(".yardmaster/.autoserv_execute.claim");
    let claim: serde_json::Value = serde_json::from_slice(&fs::read(file).expect("a claim")).expect("JSON");
    let words = claim["argv"].as_array().expect("a list").iter();
    let root = format!("{}/", lab.results(1).display());
    words.map(|word| word.as_str().expect("text").replace(&root, "").replace(AGENT, "AGENT")).collect()
}

#[test]
fn what_is_run_is_what_autotest_runs() {
    run(async {
        let mut lab = Lab::new(Kind::Local, 1);
        let job = lab.briefings.jobs.get_mut(&JobId(99)).expect("a job");
        job.name = "two words; and $(more)".to_owned();
        (job.require_ssp, job.test_retry, job.parent) = (true, 2, Some(JobId(7)));
        let mut backend = lab.backend();
        let begin = |pidfile, path: &ExecutionPath, kind, job: Option<u32>, hosts: &[u32]| Command::Start {
            pidfile: PidfileId(pidfile),
            path: path.clone(),
            name: PidfileName::Execute,
            work: Work {
                kind,
                job: job.map(JobId),
                entries: [].into_iter().collect(),
                hosts: hosts.iter().map(|id| HostId(*id)).collect(),
            },
            processes: 1,
        };
        let entry = |job, subdir| ExecutionPath::Entry { job: JobId(job), owner: "me".into(), subdir };
        let (group, hostless) = (entry(99, Subdir::Group(0)), entry(99, Subdir::Hostless));
        let repair = ExecutionPath::Task { hostname: "host1".into(), task: TaskId(3), kind: TaskKind::Repair };
        let commands = vec![
            begin(1, &group, WorkKind::Test, Some(99), &[1, 2]),
            begin(2, &hostless, WorkKind::Test, Some(99), &[]),
            begin(3, &repair, WorkKind::Special(TaskKind::Repair), None, &[1]),
        ];
        backend.act_surely(1, 1, commands).await;
        let common = ["AGENT", "practice", "autoserv", "-p", "-r"];
        let rest = ["-u", "me", "-l", "two words; and $(more)", "--verbose", "--lab", "True", "-s", "-P"];
        let last = ["--test-retry=2", "--require-ssp", "--parent_job_id=7", "--verify_job_repo_url", "-n"];
        let expected = [&common, &["99-me/group0", "-m", "host1,host2"][..], &rest, &["99-me/group0"], &last].concat();
        assert_eq!(line(&lab, &group), [expected, vec!["99-me/group0/control.queued"]].concat());
        let expected = [&common, &["99-me/hostless"][..], &rest, &["99-me/hostless"], &last].concat();
        assert_eq!(line(&lab, &hostless), [expected, vec!["99-me/hostless/control.queued"]].concat());
        let special = ["hosts/host1/3-repair", "-m", "host1", "--verbose", "--lab", "True", "-R", "--host-protection"];
        assert_eq!(line(&lab, &repair), [&common, &special[..], &["NO_PROTECTION"]].concat());
    });
}
