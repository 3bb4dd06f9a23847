#!/bin/bash
# two_hosts.sh RATE COMMAND...: the command as two processes of Open MPI on two hosts that are one: network
# namespaces (ip-netns(8)) with a link between them that is so fast each way (tc-tbf(8): 1gbit). Needs
# root, and iproute2. TWO_HOSTS_MCA: further options of mpirun, such as "--mca btl_tcp_progress_thread 1".
set -eu
rate=$1
shift
work=$(mktemp -d)
here=tessera-a-$$ there=tessera-b-$$
clean() {
    ip netns del "$here" 2>/dev/null || true
    ip netns del "$there" 2>/dev/null || true
    rm -rf "$work" "/etc/netns/$here" "/etc/netns/$there"
    rmdir /etc/netns 2>/dev/null || true
}
trap clean EXIT
ip netns add "$here"
ip netns add "$there"
ip link add ta netns "$here" type veth peer name tb netns "$there"
n=1
for host in "$here" "$there"; do
    [ $n = 1 ] && link=ta || link=tb
    ip -n "$host" address add 10.77.0.$n/24 dev $link
    ip -n "$host" link set $link up
    ip -n "$host" link set lo up
    ip netns exec "$host" tc qdisc add dev $link root tbf rate "$rate" burst 1mb latency 100ms
    mkdir -p "/etc/netns/$host"
    printf '127.0.0.1 localhost\n10.77.0.1 %s\n10.77.0.2 %s\n' "$here" "$there" >"/etc/netns/$host/hosts"
    n=$((n + 1))
done
# What mpirun starts a host's daemon with: HOST WORDS...
cat >"$work/agent" <<'END'
#!/bin/sh
host=$1
shift
exec ip netns exec "$host" unshare --uts sh -c 'hostname "$0"; eval "$*"' "$host" "$@"
END
chmod +x "$work/agent"
mkdir "$work/tmp"
# shellcheck disable=SC2086
ip netns exec "$here" unshare --uts sh -c 'hostname "$0"; exec "$@"' "$here" mpirun --allow-run-as-root -n 2 \
    -H "$here:1,$there:1" --bind-to none --mca plm_rsh_agent "$work/agent" --mca orte_tmpdir_base "$work/tmp" \
    --mca btl tcp,self --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 ${TWO_HOSTS_MCA-} "$@"
