"""The repository as its clients and its attackers see it: installs what is signed, refuses what is not."""

from __future__ import annotations

from testinfra.host import Host

SOURCE = "/etc/apt/sources.list.d/greeting.sources"
PUBLIC = "/var/lib/aptly/public"
UPDATE = f"apt-get update -o Dir::Etc::SourceList={SOURCE} -o Dir::Etc::SourceParts=/nowhere -o APT::Update::Error-Mode=any"


def trust(host: Host, address: str, keyring: str) -> None:
    """Let the machine use one repository, trusted for one key only."""
    lines = ["Types: deb", f"URIs: {address}", "Suites: bookworm", "Components: main", f"Signed-By: {keyring}"]
    host.check_output(f"printf '%s\\n' {' '.join(repr(line) for line in lines)} > {SOURCE}")


def test_client_installs_what_is_published(host: Host) -> None:
    trust(host, "http://127.0.0.1/", f"{PUBLIC}/archive-keyring.asc")
    try:
        host.check_output(UPDATE)
        host.check_output("apt-get install --yes greeting=1.0-1")
        assert host.file("/usr/share/greeting/text").content_string == "hello\n"
    finally:
        host.run("apt-get purge --yes greeting")
        host.run(f"rm {SOURCE}")


def test_client_refuses_an_altered_index(host: Host) -> None:
    """One word of the signed file changed is enough."""
    host.check_output(f"rm -rf {PUBLIC}/altered && cp -r {PUBLIC}/dists /tmp/dists && mkdir {PUBLIC}/altered && mv /tmp/dists {PUBLIC}/altered/")
    host.check_output(f"sed -i 's/^Origin: .*/Origin: somebody.else/' {PUBLIC}/altered/dists/bookworm/InRelease")
    trust(host, "http://127.0.0.1/altered", f"{PUBLIC}/archive-keyring.asc")
    try:
        refused = host.run(UPDATE)
        assert refused.rc != 0
        assert "BADSIG" in refused.stderr + refused.stdout
    finally:
        host.run(f"rm -rf {PUBLIC}/altered {SOURCE}")


def test_client_refuses_a_key_that_is_not_the_repositorys(host: Host) -> None:
    home = "/root/other-key"
    host.check_output(
        f"mkdir -m 0700 -p {home} && gpg --homedir {home} --batch --passphrase '' --quick-generate-key other@example.invalid ed25519 sign"
        f" && gpg --homedir {home} --armor --export > /etc/apt/keyrings/other.asc"
    )
    trust(host, "http://127.0.0.1/", "/etc/apt/keyrings/other.asc")
    try:
        refused = host.run(UPDATE)
        assert refused.rc != 0
        assert "NO_PUBKEY" in refused.stderr + refused.stdout
    finally:
        host.run(f"rm -rf {home} {SOURCE} /etc/apt/keyrings/other.asc")


def test_machines_get_to_know_the_next_key(host: Host) -> None:
    """Both keys are in the keyring while the first one signs; one that was refused was never made."""
    known = host.check_output(f"gpg --show-keys --with-colons {PUBLIC}/archive-keyring.asc")
    assert [line.split(":")[9].partition("<")[2] for line in known.splitlines() if line.startswith("uid")] == [
        "repository@platform.invalid>",
        "next@platform.invalid>",
    ]


def test_index_files_are_served_by_their_hash(host: Host) -> None:
    assert "Acquire-By-Hash: yes" in host.file(f"{PUBLIC}/dists/bookworm/InRelease").content_string
    assert host.check_output(f"ls {PUBLIC}/dists/bookworm/main/binary-amd64/by-hash/SHA256")


def test_an_index_of_the_same_second_is_served_again(host: Host) -> None:
    """apt asks by the second: another publish of that second would pass for the one that the client has."""
    code = (
        "import urllib.request as u; url = 'http://127.0.0.1/dists/bookworm/InRelease'; moved = u.urlopen(url).headers['Last-Modified'];"
        " print(u.urlopen(u.Request(url, headers={'If-Modified-Since': moved})).status)"
    )
    assert host.check_output(f'python3 -c "{code}"') == "200"


def test_refused_package_left_nothing(host: Host) -> None:
    """The cut off package of the converge came to no repository: what it named was never made."""
    listed = host.check_output("runuser -u aptly -- aptly -config=/etc/aptly.conf repo list -raw")
    assert listed.split() == ["main"]


def test_nobody_but_aptly_reads_the_signing_key(host: Host) -> None:
    """Neither the server's user by file nor a client by address."""
    assert host.run("runuser -u www-data -- ls /var/lib/aptly/.gnupg").rc != 0
    answer = host.run("python3 -c \"import urllib.request as r; r.urlopen('http://127.0.0.1/../.gnupg/pubring.kbx')\"")
    assert answer.rc != 0
    assert "HTTP Error 4" in answer.stderr


def test_server_comes_back_with_the_machine(host: Host) -> None:
    assert host.service("nginx").is_enabled
    assert host.service("nginx").is_running
