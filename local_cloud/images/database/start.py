"""Make the data folder on the first start, then become PostgreSQL.

/etc/database.json (put in by the local cloud, readable by root alone) names the master user, its password, the database
and the server's settings. Settings are written at every start, so that a changed parameter group takes effect after one.
"""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

BIN = Path("/usr/lib/postgresql/15/bin")
VOLUME = Path("/var/lib/postgresql/data")
DATA, NEW = VOLUME / "15", VOLUME / "15.new"


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def initialise(spec: dict[str, str]) -> None:
    """RDS's layout: the superuser is `rdsadmin` and stays inside, the master user owns its database and may create more."""
    subprocess.run(["rm", "-rf", NEW], check=True)
    arguments: list[str | Path] = ["--username=rdsadmin", "--auth-local=peer", "--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"]
    subprocess.run([BIN / "initdb", f"--pgdata={NEW}", *arguments], check=True)
    key, certificate = str(NEW / "server.key"), str(NEW / "server.crt")
    request = ["openssl", "req", "-new", "-x509", "-nodes", "-days", "3650", "-subj", "/CN=rds", "-keyout", key, "-out", certificate]
    subprocess.run(request, check=True, stderr=subprocess.DEVNULL)
    user, database = name(spec["user"]), name(spec["database"])
    statements = [
        "CREATE ROLE rds_superuser NOLOGIN",
        "GRANT pg_monitor, pg_signal_backend TO rds_superuser WITH ADMIN OPTION",
        f"CREATE ROLE {user} LOGIN CREATEDB CREATEROLE PASSWORD {literal(spec['password'])} IN ROLE rds_superuser",
    ]
    if spec["database"] != "postgres":
        statements.append(f"CREATE DATABASE {database} OWNER {user}")
    single: list[str | Path] = [BIN / "postgres", "--single", "-D", NEW, "postgres"]
    done = subprocess.run(single, input="\n".join(statements) + "\n", text=True, capture_output=True, check=False)
    if done.returncode or "ERROR:" in done.stderr:  # a failed statement does not end the single-user server
        sys.exit(f"Failed to create the master user and database: {done.stderr.strip()}")
    NEW.rename(DATA)  # last: a start that is killed in the middle begins afresh


def configure(settings: dict[str, str], force_ssl: bool) -> None:
    host = "hostssl" if force_ssl else "host"
    (DATA / "pg_hba.conf").write_text(f"local all rdsadmin peer map=admin\n{host} all rdsadmin all reject\n{host} all all all scram-sha-256\n")
    (DATA / "pg_ident.conf").write_text("admin postgres rdsadmin\nadmin root rdsadmin\n")
    lines = [f"{key} = {literal(value)}" for key, value in sorted(settings.items())]
    (DATA / "postgresql.auto.conf").write_text("\n".join(lines) + "\n")


def main() -> None:
    configuration = json.loads(Path("/etc/database.json").read_text())
    account = pwd.getpwnam("postgres")
    for folder in (VOLUME, Path("/run/postgresql")):
        folder.mkdir(mode=0o755, exist_ok=True)
        os.chown(folder, account.pw_uid, account.pw_gid)
    os.initgroups("postgres", account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.environ["HOME"] = account.pw_dir
    if not DATA.exists():
        initialise(configuration["master"])
    configure(configuration["settings"], configuration["force_ssl"])
    server = str(BIN / "postgres")
    os.execv(server, [server, "-D", str(DATA), "-c", "listen_addresses=*"])


main()
