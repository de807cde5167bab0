"""The machine's own cache: on loopback, bounded, back after a kill."""

from __future__ import annotations

from testinfra.host import Host


def redis(host: Host, *command: str) -> str:
    """Run a Redis command on the machine and return its answer."""
    return str(host.check_output(f"redis-cli {' '.join(command)}")).strip()


def test_listens_on_loopback_only(host: Host) -> None:
    """Nobody beyond the machine reaches the cache."""
    listeners = host.check_output("ss --listening --tcp --numeric --no-header 'sport = :6379'").splitlines()
    assert [line.split()[3] for line in listeners] == ["127.0.0.1:6379"]


def test_full_memory_evicts_instead_of_refusing(host: Host) -> None:
    """Writing twice what fits succeeds: the least used keys go."""
    redis(host, "CONFIG", "SET", "maxmemory", "3mb")
    try:
        for batch in range(8):
            redis(host, "EVAL", "\"for i=1,1000 do redis.call('SET', KEYS[1]..i, string.rep('x', 1000)) end\"", "1", f"batch-{batch}-")
        assert int(redis(host, "DBSIZE")) < 8000
        assert "evicted_keys:0" not in redis(host, "INFO", "stats").splitlines()
    finally:
        redis(host, "CONFIG", "SET", "maxmemory", "64mb")
        redis(host, "FLUSHALL")


def test_cache_is_not_persisted(host: Host) -> None:
    """No fork doubles the memory, no dump fills the disk."""
    assert redis(host, "CONFIG", "GET", "save").splitlines() == ["save"]
    assert redis(host, "CONFIG", "GET", "appendonly").splitlines() == ["appendonly", "no"]


def test_comes_back_after_a_kill(host: Host) -> None:
    """The unit restarts a killed server by itself."""
    service = host.service("redis-server")
    assert service.is_enabled
    killed = host.check_output("systemctl show --property MainPID --value redis-server")
    host.check_output(f"kill -9 {killed}")
    host.check_output("timeout 20 sh -c 'until redis-cli ping; do sleep 0.2; done'")
    assert host.check_output("systemctl show --property MainPID --value redis-server") != killed
