#!/bin/sh
# run.sh PROGRAM RANKS [must-fail] ARGS...: one line of the test list. 77: skipped, no launcher here.
# MPIRUN names another launcher than mpirun.
program=$1 ranks=$2
shift 2
launcher=${MPIRUN:-mpirun}
if ! command -v "$launcher" >/dev/null 2>&1; then
    echo "SKIPPED: no $launcher; on Debian: apt-get install openmpi-bin"
    exit 77
fi
set --  "$@"
must_fail=
if [ "$1" = must-fail ]; then
    must_fail=1
    shift
fi
case $("$launcher" --version 2>&1) in
*"Open MPI"*) options="--allow-run-as-root --oversubscribe --bind-to none" ;;
*) options= ;;
esac
# A mark in the environment of all ranks finds those that are left behind.
mark="TESSERA_TEST_MARK=$$.$(date +%s)"
left_behind() {
    for p in /proc/[0-9]*; do
        if [ "${p#/proc/}" != $$ ] && tr '\0' '\n' <"$p/environ" 2>/dev/null | grep -qx "$mark"; then
            cat "$p/comm"
        fi
    done 2>/dev/null | grep -x "$(basename "$program" | cut -c1-15)"
}
start=$(date +%s)
# shellcheck disable=SC2086
env "$mark" timeout -k 5 "${TEST_SECONDS:-120}" "$launcher" $options -n "$ranks" "$program" "$@"
code=$?
if [ -z "$must_fail" ]; then
    exit $code
fi
took=$(($(date +%s) - start))
sleep 1
if [ $code = 0 ] || [ $code = 124 ] || [ $took -gt 20 ]; then
    echo "the job should have failed soon: exit code $code after $took s"
    exit 1
fi
if [ -n "$(left_behind)" ]; then
    echo "processes are left behind: $(left_behind)"
    exit 1
fi
echo "ended with code $code after $took s, as it should"
