-- What the scheduler's own account must be allowed, and no more. Run it as an administrator of the database, after
-- `yardmaster db migrate`: the tables must be there. Names and hosts are examples.
GRANT SELECT ON chromeos_autotest_db.* TO yardmaster@'scheduler.lab.example';
GRANT UPDATE (status, leased, dirty) ON chromeos_autotest_db.afe_hosts TO yardmaster@'scheduler.lab.example';
GRANT UPDATE (status, active, complete, host_id, execution_subdir, started_on, finished_on, aborted)
  ON chromeos_autotest_db.afe_host_queue_entries TO yardmaster@'scheduler.lab.example';
GRANT INSERT, UPDATE, DELETE ON chromeos_autotest_db.afe_special_tasks TO yardmaster@'scheduler.lab.example';
GRANT INSERT ON chromeos_autotest_db.afe_aborted_host_queue_entries TO yardmaster@'scheduler.lab.example';
GRANT INSERT, DELETE ON chromeos_autotest_db.afe_ineligible_host_queues TO yardmaster@'scheduler.lab.example';
GRANT INSERT, UPDATE ON chromeos_autotest_db.yardmaster_terms TO yardmaster@'scheduler.lab.example';
GRANT INSERT, DELETE ON chromeos_autotest_db.yardmaster_consumers TO yardmaster@'scheduler.lab.example';
GRANT DELETE ON chromeos_autotest_db.yardmaster_changes TO yardmaster@'scheduler.lab.example';
GRANT INSERT, DELETE ON chromeos_autotest_db.yardmaster_kills TO yardmaster@'scheduler.lab.example';
GRANT INSERT, DELETE ON chromeos_autotest_db.yardmaster_strays TO yardmaster@'scheduler.lab.example';
-- Where jobs are handed off; a runner works under this account as well.
GRANT INSERT, UPDATE, DELETE ON chromeos_autotest_db.afe_job_handoffs TO yardmaster@'scheduler.lab.example';
GRANT INSERT, UPDATE, DELETE ON chromeos_autotest_db.yardmaster_handoffs TO yardmaster@'scheduler.lab.example';
-- How drones are, and what waits for them, for `yardmaster status` and `yardmaster why`.
GRANT INSERT, DELETE ON chromeos_autotest_db.yardmaster_drone_states TO yardmaster@'scheduler.lab.example';
GRANT INSERT, DELETE ON chromeos_autotest_db.yardmaster_waits TO yardmaster@'scheduler.lab.example';
-- At its start the scheduler tries whether the triggers work: it adds a row and rolls back.
GRANT INSERT ON chromeos_autotest_db.yardmaster_drones TO yardmaster@'scheduler.lab.example';
