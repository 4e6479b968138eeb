"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From nothing."""
    op.create_table(
        "documents",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created", sa.Double[float](), nullable=False),
        sa.Column("saved", sa.Double[float](), nullable=False),
        sa.Column("thumbnail", sa.LargeBinary(), nullable=True),
        sa.Column("trashed", sa.Double[float](), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
    )
    op.create_index("uq_documents_name", "documents", ["name"], unique=True, sqlite_where=sa.text("trashed IS NULL"))
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("workflow", sa.String(), nullable=False),
        sa.Column("sweep", sa.String(), nullable=False),
        sa.Column("point", sa.Integer(), nullable=True),
        sa.Column("key", sa.String(), nullable=True),
        sa.Column("body_digest", sa.String(), nullable=False),
        sa.Column("webhook", sa.String(), nullable=True),
        sa.Column("deadline", sa.Double[float](), nullable=True),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("models", sa.Text(), nullable=False),
        sa.Column("retry_of", sa.String(), nullable=False),
        sa.Column("created", sa.Double[float](), nullable=False),
        sa.Column("started", sa.Double[float](), nullable=True),
        sa.Column("finished", sa.Double[float](), nullable=True),
        sa.Column("cancelling", sa.Double[float](), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_jobs_client_state_id", "jobs", ["client", "state", "id"], unique=False)
    op.create_index(
        "ix_jobs_finished", "jobs", ["finished"], unique=False, sqlite_where=sa.text("finished IS NOT NULL")
    )
    op.create_index("ix_jobs_state_id", "jobs", ["state", "id"], unique=False)
    op.create_index("ix_jobs_sweep_id", "jobs", ["sweep", "id"], unique=False, sqlite_where=sa.text("sweep <> ''"))
    op.create_index(
        "ix_jobs_workflow_id", "jobs", ["workflow", "id"], unique=False, sqlite_where=sa.text("workflow <> ''")
    )
    op.create_index(
        "uq_jobs_client_key", "jobs", ["client", "key"], unique=True, sqlite_where=sa.text("key IS NOT NULL")
    )
    op.create_table(
        "outputs",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("node", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("partial", sa.Integer(), nullable=False),
        sa.Column("created", sa.Double[float](), nullable=False),
        sa.Column("trashed", sa.Double[float](), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outputs")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_outputs_client_id", "outputs", ["client", "id"], unique=False)
    op.create_index("ix_outputs_job_place", "outputs", ["job", "place"], unique=True)
    op.create_index(
        "ix_outputs_trashed", "outputs", ["trashed"], unique=False, sqlite_where=sa.text("trashed IS NOT NULL")
    )
    op.create_table(
        "settings",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_settings")),
    )
    op.create_table(
        "sweeps",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("workflow", sa.String(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=True),
        sa.Column("body_digest", sa.String(), nullable=False),
        sa.Column("created", sa.Double[float](), nullable=False),
        sa.Column("finished", sa.Double[float](), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sweeps")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_sweeps_client_id", "sweeps", ["client", "id"], unique=False)
    op.create_index(
        "uq_sweeps_client_key", "sweeps", ["client", "key"], unique=True, sqlite_where=sa.text("key IS NOT NULL")
    )
    op.create_table(
        "tokens",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.Double[float](), nullable=False),
        sa.Column("last_used", sa.Double[float](), nullable=True),
        sa.Column("revoked", sa.Double[float](), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_tokens_digest")),
    )
    op.create_table(
        "workflows",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("published", sa.Double[float](), nullable=False),
        sa.Column("interface", sa.Text(), nullable=False),
        sa.Column("schema", sa.Text(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name=op.f("pk_workflows")),
    )
    op.create_table(
        "attempts",
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(), nullable=False),
        sa.Column("started", sa.Double[float](), nullable=False),
        sa.Column("ended", sa.Double[float](), nullable=True),
        sa.Column("ending", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name=op.f("fk_attempts_job"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job", "number", name=op.f("pk_attempts")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due", sa.Double[float](), nullable=True),
        sa.Column("delivered", sa.Double[float](), nullable=True),
        sa.Column("error", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name=op.f("fk_deliveries_job"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_deliveries_due", "deliveries", ["due"], unique=False, sqlite_where=sa.text("due IS NOT NULL"))
    op.create_index(op.f("ix_deliveries_job"), "deliveries", ["job"], unique=False)
    op.create_table(
        "document_versions",
        sa.Column("document", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("saved", sa.Double[float](), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["document"], ["documents.id"], name=op.f("fk_document_versions_document"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("document", "version", name=op.f("pk_document_versions")),
    )
    op.create_table(
        "events",
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double[float](), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name=op.f("fk_events_job"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job", "seq", name=op.f("pk_events")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "queue",
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("rank", sa.Double[float](), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name=op.f("fk_queue_job"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job", name=op.f("pk_queue")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_queue_rank", "queue", ["rank"], unique=False)
    op.create_table(
        "reports",
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("report", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name=op.f("fk_reports_job"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job", name=op.f("pk_reports")),
    )
    op.create_table(
        "requests",
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("options", sa.String(), nullable=False),
        sa.Column("targets", sa.Text(), nullable=False),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("drawn", sa.Text(), nullable=False),
        sa.Column("problems", sa.String(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name=op.f("fk_requests_job"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job", name=op.f("pk_requests")),
    )
