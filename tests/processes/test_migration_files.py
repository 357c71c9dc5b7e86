"""The newest migration, read from file names, is the one that Alembic finds."""

from alembic.script import ScriptDirectory

from leadvibe.core.database.migration_files import newest
from leadvibe.core.database.migrations import config


def test_the_newest_file_is_the_head() -> None:
    assert newest() == ScriptDirectory.from_config(config()).get_current_head()
