#!/bin/sh
# A job started by srun, on this machine alone: Debian's Slurm is unpacked into a folder of its own, which
# goes with all that ran in it; nothing is installed. Not part of ctest: it fetches packages.
# usage: tests/slurm/run.sh build/tessera                       (Debian or Ubuntu, Open MPI with PMIx)
set -u
T=$(realpath "$1")
D=$(mktemp -d "${TMPDIR:-/tmp}/tessera-slurm-XXXXXX") || exit 1
pids=
end() {
    for p in $pids; do kill "$p" 2>/dev/null; done
    sleep 1
    for p in $pids; do kill -9 "$p" 2>/dev/null; done
    case "$D" in */tessera-slurm-??????) rm -rf "$D" ;; esac
}
trap end EXIT
failed=0
wrong() {
    echo "FAIL $*"
    failed=$((failed + 1))
}

cd "$D" || exit 1
apt-get download slurmctld slurmd slurm-client slurm-wlm-basic-plugins libslurm38 libmunge2 >get.log 2>&1 ||
    { echo "SKIPPED: no packages: $(tail -n 1 get.log)"; exit 77; }
for p in ./*.deb; do dpkg -x "$p" "$D/root"; done
libs=$(dirname "$(find "$D/root" -name select_linear.so)")
export LD_LIBRARY_PATH="$D/root/usr/lib/$(uname -m)-linux-gnu:$libs" SLURM_CONF="$D/slurm.conf"
mkdir "$D/state" "$D/spool"
host=$(hostname -s)
cat >"$SLURM_CONF" <<END
ClusterName=here
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$((20000 + $$ % 10000))
SlurmdPort=$((30000 + $$ % 10000))
AuthType=auth/none
CredType=cred/none
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
PluginDir=$libs
StateSaveLocation=$D/state
SlurmdSpoolDir=$D/spool
SlurmctldPidFile=$D/ctld.pid
SlurmdPidFile=$D/d.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/linear
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=pmix
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=10 State=UP
END
"$D/root/usr/sbin/slurmctld-wlm" -D >ctld.log 2>&1 &
pids="$pids $!"
"$D/root/usr/sbin/slurmd-wlm" -D -d "$D/root/usr/sbin/slurmstepd-wlm" >d.log 2>&1 &
pids="$pids $!"
i=0
until "$D/root/usr/bin/sinfo" -h -o %T 2>/dev/null | grep -q idle || [ $i -gt 60 ]; do
    sleep 0.5
    i=$((i + 1))
done
[ $i -le 60 ] || { echo "SKIPPED: no Slurm here: $(tail -n 2 ctld.log d.log)"; exit 77; }

job="--mock-data --num-layers 2 --hidden-size 32 --num-attention-heads 4 --seq-length 32 --max-position-embeddings 32
    --lr 1e-3 --vocab-size 96 --tokenizer-type NullTokenizer --eval-iters 0 --threads 1"
run() { # run RANKS OPTIONS...
    n=$1
    shift
    # shellcheck disable=SC2086
    timeout 120 "$D/root/usr/bin/srun" -n "$n" --overcommit --kill-on-bad-exit=1 "$T" pretrain $job "$@" >out 2>err </dev/null
}
run 2 --train-iters 3 --tensor-model-parallel-size 2 --metrics-jsonl "$D/two.jsonl" || wrong "two ranks: $(cat err)"
grep -q "2 processes, 2 to a layer" err || wrong "no two processes: $(cat err)"
"$T" pretrain $job --train-iters 3 --metrics-jsonl "$D/one.jsonl" 2>/dev/null
losses() { sed 's/.*"lm_loss": \([0-9]*\.[0-9]\{5\}\).*/\1/' "$1"; }
[ "$(losses "$D/one.jsonl")" = "$(losses "$D/two.jsonl")" ] || wrong "other losses: $(losses two.jsonl) for $(losses one.jsonl)"
# a mistake is said once, and a rank that is killed ends the job everywhere
run 3 --train-iters 3 --tensor-model-parallel-size 2 && wrong "3 processes, 2 to a layer"
[ "$(grep -c "3 processes cannot be shared out" err)" = 1 ] || wrong "not said once: $(cat err)"
run 2 --train-iters 100000 &
job_pid=$!
sleep 5
victim=$(grep -lsaF "$T" /proc/[0-9]*/cmdline | while read -r p; do
    cat "${p%cmdline}environ" 2>/dev/null | tr '\0' '\n' | grep -qx SLURM_PROCID=1 && echo "$p"
done | sed 's/[^0-9]//g' | head -n 1)
[ -n "$victim" ] && kill -9 "$victim"
began=$(date +%s)
wait $job_pid && wrong "a killed rank is no failure"
[ $(($(date +%s) - began)) -le 15 ] || wrong "ended after $(($(date +%s) - began)) s"
grep -q "error: .* rank 1 of 2 has ended" err || wrong "not said who: $(cat err)"
[ "$failed" = 0 ] && echo "srun: all is well"
exit "$failed"
