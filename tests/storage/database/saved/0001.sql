BEGIN TRANSACTION;
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE attempts (
	job VARCHAR NOT NULL, 
	number INTEGER NOT NULL, 
	worker VARCHAR NOT NULL, 
	started DOUBLE NOT NULL, 
	ended DOUBLE, 
	ending VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	CONSTRAINT pk_attempts PRIMARY KEY (job, number), 
	CONSTRAINT fk_attempts_job FOREIGN KEY(job) REFERENCES jobs (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "attempts" VALUES('01m7xn92fa70wmkyvbn2fq1t02',1,'cpu-0',1700000010.0,1700000020.0,'succeeded','');
INSERT INTO "attempts" VALUES('01m7xn92fa70wmkyvbn2fq1t03',1,'cpu-0',1700000010.0,1700000020.0,'failed','');
INSERT INTO "attempts" VALUES('01m7xn92fa70wmkyvbn2fq1t05',1,'cpu-0',1700000010.0,NULL,'running','');
CREATE TABLE deliveries (
	id VARCHAR NOT NULL, 
	job VARCHAR NOT NULL, 
	url VARCHAR NOT NULL, 
	tries INTEGER NOT NULL, 
	due DOUBLE, 
	delivered DOUBLE, 
	error VARCHAR NOT NULL, 
	CONSTRAINT pk_deliveries PRIMARY KEY (id), 
	CONSTRAINT fk_deliveries_job FOREIGN KEY(job) REFERENCES jobs (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "deliveries" VALUES('01m7xnd16c60gpha0cdqakv4ba','01m7xn92fa70wmkyvbn2fq1t02','https://hooks.example/x',0,1700000020.0,NULL,'');
CREATE TABLE document_versions (
	document VARCHAR NOT NULL, 
	version INTEGER NOT NULL, 
	client VARCHAR NOT NULL, 
	saved DOUBLE NOT NULL, 
	note VARCHAR NOT NULL, 
	sha256 VARCHAR NOT NULL, 
	body BLOB NOT NULL, 
	CONSTRAINT pk_document_versions PRIMARY KEY (document, version), 
	CONSTRAINT fk_document_versions_document FOREIGN KEY(document) REFERENCES documents (id) ON DELETE CASCADE
);
INSERT INTO "document_versions" VALUES('01m7xnd16estfzrj1e591axjj4',1,'ann',1.0,'','00',X'7B7D');
CREATE TABLE documents (
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	version INTEGER NOT NULL, 
	created DOUBLE NOT NULL, 
	saved DOUBLE NOT NULL, 
	thumbnail BLOB, 
	trashed DOUBLE, 
	CONSTRAINT pk_documents PRIMARY KEY (id)
);
INSERT INTO "documents" VALUES('01m7xnd16estfzrj1e591axjj4','cat',1,1.0,1.0,NULL,NULL);
CREATE TABLE events (
	job VARCHAR NOT NULL, 
	seq INTEGER NOT NULL, 
	at DOUBLE NOT NULL, 
	kind VARCHAR NOT NULL, 
	data TEXT NOT NULL, 
	CONSTRAINT pk_events PRIMARY KEY (job, seq), 
	CONSTRAINT fk_events_job FOREIGN KEY(job) REFERENCES jobs (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "events" VALUES('01m7xn92fa70wmkyvbn2fq1t01',1,1700000001.0,'queued','{}');
INSERT INTO "events" VALUES('01m7xn92fa70wmkyvbn2fq1t02',1,1700000002.0,'queued','{}');
INSERT INTO "events" VALUES('01m7xn92fa70wmkyvbn2fq1t02',2,1700000010.0,'attempt','{"number":1,"worker":"cpu-0"}');
INSERT INTO "events" VALUES('01m7xn92fa70wmkyvbn2fq1t02',3,1700000020.0,'finished','{"state":"succeeded"}');
INSERT INTO "events" VALUES('01m7xn92fa70wmkyvbn2fq1t03',1,1700000003.0,'queued','{}');
INSERT INTO "events" VALUES('01m7xn92fa70wmkyvbn2fq1t03',2,1700000010.0,'attempt','{"number":1,"worker":"cpu-0"}');
INSERT INTO "events" VALUES('01m7xn92fa70wmkyvbn2fq1t03',3,1700000020.0,'finished','{"state":"failed","error":{"code":"node.failed","message":"no","node":"","type":"","input":"","hint":""}}');
INSERT INTO "events" VALUES('01m7xn92fa70wmkyvbn2fq1t04',1,1700000004.0,'queued','{}');
INSERT INTO "events" VALUES('01m7xn92fa70wmkyvbn2fq1t04',2,1700000021.0,'finished','{"state":"cancelled"}');
INSERT INTO "events" VALUES('01m7xn92fa70wmkyvbn2fq1t05',1,1700000005.0,'queued','{}');
INSERT INTO "events" VALUES('01m7xn92fa70wmkyvbn2fq1t05',2,1700000010.0,'attempt','{"number":1,"worker":"cpu-0"}');
CREATE TABLE jobs (
	id VARCHAR NOT NULL, 
	client VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	priority INTEGER NOT NULL, 
	title VARCHAR NOT NULL, 
	workflow VARCHAR NOT NULL, 
	sweep VARCHAR NOT NULL, 
	point INTEGER, 
	"key" VARCHAR, 
	body_digest VARCHAR NOT NULL, 
	webhook VARCHAR, 
	deadline DOUBLE, 
	metadata TEXT NOT NULL, 
	models TEXT NOT NULL, 
	retry_of VARCHAR NOT NULL, 
	created DOUBLE NOT NULL, 
	started DOUBLE, 
	finished DOUBLE, 
	cancelling DOUBLE, 
	attempt INTEGER NOT NULL, 
	CONSTRAINT pk_jobs PRIMARY KEY (id)
)
 WITHOUT ROWID

;
INSERT INTO "jobs" VALUES('01m7xn92fa70wmkyvbn2fq1t01','ann','queued',0,'','','',NULL,NULL,'',NULL,NULL,'{}','[]','',1700000001.0,NULL,NULL,NULL,0);
INSERT INTO "jobs" VALUES('01m7xn92fa70wmkyvbn2fq1t02','ann','succeeded',0,'','','',NULL,NULL,'','https://hooks.example/x',NULL,'{"shot":1}','[]','',1700000002.0,1700000010.0,1700000020.0,NULL,1);
INSERT INTO "jobs" VALUES('01m7xn92fa70wmkyvbn2fq1t03','ann','failed',0,'','','01m7xn92fa70wmkyvbn2fq1s00',0,NULL,'',NULL,NULL,'{}','[]','',1700000003.0,1700000010.0,1700000020.0,NULL,1);
INSERT INTO "jobs" VALUES('01m7xn92fa70wmkyvbn2fq1t04','ann','cancelled',0,'','cats@1','',NULL,NULL,'',NULL,NULL,'{}','[]','',1700000004.0,NULL,1700000021.0,NULL,0);
INSERT INTO "jobs" VALUES('01m7xn92fa70wmkyvbn2fq1t05','ann','running',0,'','','',NULL,NULL,'',NULL,NULL,'{}','[]','',1700000005.0,1700000010.0,NULL,NULL,1);
CREATE TABLE outputs (
	id VARCHAR NOT NULL, 
	client VARCHAR NOT NULL, 
	job VARCHAR NOT NULL, 
	place INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	node VARCHAR NOT NULL, 
	type VARCHAR NOT NULL, 
	value TEXT NOT NULL, 
	path VARCHAR NOT NULL, 
	media_type VARCHAR NOT NULL, 
	size INTEGER NOT NULL, 
	sha256 VARCHAR NOT NULL, 
	partial INTEGER NOT NULL, 
	created DOUBLE NOT NULL, 
	trashed DOUBLE, 
	CONSTRAINT pk_outputs PRIMARY KEY (id)
)
 WITHOUT ROWID

;
INSERT INTO "outputs" VALUES('01m7xn92fa70wmkyvbn2fq1u00','ann','01m7xn92fa70wmkyvbn2fq1t02',0,'picture','a','Image','null','a.png','image/png',3,'00',0,1700000020.0,NULL);
CREATE TABLE queue (
	job VARCHAR NOT NULL, 
	rank DOUBLE NOT NULL, 
	CONSTRAINT pk_queue PRIMARY KEY (job), 
	CONSTRAINT fk_queue_job FOREIGN KEY(job) REFERENCES jobs (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "queue" VALUES('01m7xn92fa70wmkyvbn2fq1t01',1.0);
CREATE TABLE reports (
	job VARCHAR NOT NULL, 
	error VARCHAR, 
	report VARCHAR, 
	CONSTRAINT pk_reports PRIMARY KEY (job), 
	CONSTRAINT fk_reports_job FOREIGN KEY(job) REFERENCES jobs (id) ON DELETE CASCADE
);
INSERT INTO "reports" VALUES('01m7xn92fa70wmkyvbn2fq1t02',NULL,'{"nodeflow":"0","status":"ok","exit_code":0,"error":null,"outputs":{},"withheld":{},"saved":{},"unchanged":[],"shown":{},"nodes":{"a":{"status":"ran","seconds":1.0,"reason":""}},"drawn":{},"warnings":[],"failures":[],"problems":[]}');
INSERT INTO "reports" VALUES('01m7xn92fa70wmkyvbn2fq1t03','{"code":"node.failed","message":"no","node":"","type":"","input":"","hint":""}',NULL);
INSERT INTO "reports" VALUES('01m7xn92fa70wmkyvbn2fq1t04',NULL,NULL);
CREATE TABLE requests (
	job VARCHAR NOT NULL, 
	options VARCHAR NOT NULL, 
	targets TEXT NOT NULL, 
	inputs TEXT NOT NULL, 
	drawn TEXT NOT NULL, 
	problems VARCHAR NOT NULL, 
	document BLOB NOT NULL, 
	CONSTRAINT pk_requests PRIMARY KEY (job), 
	CONSTRAINT fk_requests_job FOREIGN KEY(job) REFERENCES jobs (id) ON DELETE CASCADE
);
INSERT INTO "requests" VALUES('01m7xn92fa70wmkyvbn2fq1t01','{"priority":0,"webhook":null,"deadline":null,"metadata":{},"strict":false,"previews":false,"refresh":false,"embed":true,"label":""}','null','{}','{}','[]',X'7B226E6F6465666C6F77223A312C226E6F646573223A7B7D7D');
INSERT INTO "requests" VALUES('01m7xn92fa70wmkyvbn2fq1t02','{"priority":0,"webhook":"https://hooks.example/x","deadline":null,"metadata":{"shot":1},"strict":false,"previews":false,"refresh":false,"embed":true,"label":""}','null','{}','{}','[]',X'7B226E6F6465666C6F77223A312C226E6F646573223A7B7D7D');
INSERT INTO "requests" VALUES('01m7xn92fa70wmkyvbn2fq1t03','{"priority":0,"webhook":null,"deadline":null,"metadata":{},"strict":false,"previews":false,"refresh":false,"embed":true,"label":""}','null','{}','{}','[]',X'7B226E6F6465666C6F77223A312C226E6F646573223A7B7D7D');
INSERT INTO "requests" VALUES('01m7xn92fa70wmkyvbn2fq1t04','{"priority":0,"webhook":null,"deadline":null,"metadata":{},"strict":false,"previews":false,"refresh":false,"embed":true,"label":""}','null','{}','{}','[]',X'7B226E6F6465666C6F77223A312C226E6F646573223A7B7D7D');
INSERT INTO "requests" VALUES('01m7xn92fa70wmkyvbn2fq1t05','{"priority":0,"webhook":null,"deadline":null,"metadata":{},"strict":false,"previews":false,"refresh":false,"embed":true,"label":""}','null','{}','{}','[]',X'7B226E6F6465666C6F77223A312C226E6F646573223A7B7D7D');
CREATE TABLE settings (
	name VARCHAR NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_settings PRIMARY KEY (name)
);
INSERT INTO "settings" VALUES('paused','true');
CREATE TABLE sweeps (
	id VARCHAR NOT NULL, 
	client VARCHAR NOT NULL, 
	title VARCHAR NOT NULL, 
	workflow VARCHAR NOT NULL, 
	"plan" TEXT NOT NULL, 
	points INTEGER NOT NULL, 
	"key" VARCHAR, 
	body_digest VARCHAR NOT NULL, 
	created DOUBLE NOT NULL, 
	finished DOUBLE, 
	CONSTRAINT pk_sweeps PRIMARY KEY (id)
)
 WITHOUT ROWID

;
INSERT INTO "sweeps" VALUES('01m7xn92fa70wmkyvbn2fq1s00','ann','','','{"over":{"seed":[1,2]}}',2,NULL,'',1.0,NULL);
CREATE TABLE tokens (
	name VARCHAR NOT NULL, 
	role VARCHAR NOT NULL, 
	digest BLOB NOT NULL, 
	created DOUBLE NOT NULL, 
	last_used DOUBLE, 
	revoked DOUBLE, 
	CONSTRAINT pk_tokens PRIMARY KEY (name), 
	CONSTRAINT uq_tokens_digest UNIQUE (digest)
);
INSERT INTO "tokens" VALUES('ann','run',X'0000000000000000000000000000000000000000000000000000000000000000',1.0,NULL,NULL);
CREATE TABLE workflows (
	name VARCHAR NOT NULL, 
	version INTEGER NOT NULL, 
	client VARCHAR NOT NULL, 
	note VARCHAR NOT NULL, 
	title VARCHAR NOT NULL, 
	sha256 VARCHAR NOT NULL, 
	published DOUBLE NOT NULL, 
	interface TEXT NOT NULL, 
	schema TEXT NOT NULL, 
	document BLOB NOT NULL, 
	CONSTRAINT pk_workflows PRIMARY KEY (name, version)
);
INSERT INTO "workflows" VALUES('cats',1,'ann','','','00',1.0,'{}','{}',X'7B7D');
CREATE INDEX ix_jobs_finished ON jobs (finished) WHERE finished IS NOT NULL;
CREATE INDEX ix_jobs_state_id ON jobs (state, id);
CREATE INDEX ix_jobs_workflow_id ON jobs (workflow, id) WHERE workflow <> '';
CREATE INDEX ix_jobs_client_state_id ON jobs (client, state, id);
CREATE UNIQUE INDEX uq_jobs_client_key ON jobs (client, "key") WHERE key IS NOT NULL;
CREATE INDEX ix_jobs_sweep_id ON jobs (sweep, id) WHERE sweep <> '';
CREATE INDEX ix_outputs_client_id ON outputs (client, id);
CREATE INDEX ix_outputs_trashed ON outputs (trashed) WHERE trashed IS NOT NULL;
CREATE UNIQUE INDEX ix_outputs_job_place ON outputs (job, place);
CREATE INDEX ix_sweeps_client_id ON sweeps (client, id);
CREATE UNIQUE INDEX uq_sweeps_client_key ON sweeps (client, "key") WHERE key IS NOT NULL;
CREATE UNIQUE INDEX uq_documents_name ON documents (name) WHERE trashed IS NULL;
CREATE INDEX ix_queue_rank ON queue (rank);
CREATE INDEX ix_deliveries_due ON deliveries (due) WHERE due IS NOT NULL;
CREATE INDEX ix_deliveries_job ON deliveries (job);
COMMIT;
