# What the scripts beside this one share. Each is run as: SCRIPT path/to/tessera
# A script works in a folder of its own, made here and removed at the end.
set -u
T=$1
D=$(mktemp -d "${TMPDIR:-/tmp}/tessera-cli-XXXXXX") || exit 1
trap 'case "$D" in */tessera-cli-??????) rm -rf "$D" ;; esac' EXIT
checks=0
failed=0

wrong() {
    echo "FAIL $*"
    failed=$((failed + 1))
}

# expect CODE TEXT COMMAND...: the exit code, and a text that standard error or output must hold
expect() {
    code=$1 text=$2
    shift 2
    checks=$((checks + 1))
    "$@" >"$D/out" 2>"$D/err" </dev/null
    got=$?
    [ "$got" = "$code" ] || wrong "exit $got, expected $code: $*: $(tail -n 1 "$D/err")"
    cat "$D/err" "$D/out" | grep -qF -- "$text" || wrong "no \"$text\" from: $*: $(tail -n 2 "$D/err")"
    [ "$got" != 2 ] || [ "$1" != "$T" ] || advice "${2-}" "$*"
    [ "$got" != 2 ] || [ "$1" != train ] || advice pretrain "$*"
}

# A refusal advises only options that its command has: advice COMMAND WORDS-THAT-WERE-GIVEN
advice() {
    ! grep -q -e "no option of this command" -e "not in this version" "$D/err" || return 0
    [ -f "$D/help-$1" ] || "$T" help "$1" >"$D/help-$1" 2>/dev/null || return 0
    for o in $(grep -o -e '--[a-z][a-z0-9_-]*' "$D/err" | sort -u); do
        case " $2 " in *" $o "* | *" $o="*) continue ;; esac
        case $o in --help | --config) continue ;; esac
        grep -q -e "$o\b" "$D/help-$1" || wrong "tessera $1 has no $o, which its message names: $(tail -n 1 "$D/err")"
    done
}

# same A B: two files with the same bytes
same() {
    checks=$((checks + 1))
    cmp -s "$1" "$2" || wrong "$1 and $2 differ"
}
absent() {
    checks=$((checks + 1))
    [ ! -e "$1" ] || wrong "$1 was written"
}

finish() {
    echo "$checks checks, $failed failed"
    [ "$failed" = 0 ]
    exit
}

# A small data set of numbers below 96, documents of many lengths, and a model for it.
make_data() {
    awk 'BEGIN { srand(3); for (d = 0; d < 40; d++) { n = 3 + int(rand() * 80); s = "";
         for (i = 0; i < n; i++) s = s (i ? " " : "") int(rand() * 96); print s } }' >"$D/numbers.txt"
    "$T" preprocess --input "$D/numbers.txt" --output-prefix "$D/data" --tokenizer-type NullTokenizer --vocab-size 96 \
        >/dev/null 2>"$D/err" || { cat "$D/err"; exit 1; }
}
# The same with ends of documents, of which a sample has several: without ends --reset-attention-mask does nothing.
make_ended_data() {
    "$T" preprocess --input "$D/numbers.txt" --output-prefix "$D/ended" --tokenizer-type NullTokenizer --vocab-size 96 \
        --append-eod >/dev/null 2>"$D/err" || { cat "$D/err"; exit 1; }
}
shape="--num-layers 2 --hidden-size 32 --ffn-hidden-size 64 --num-attention-heads 4 --group-query-attention
    --num-query-groups 2 --position-embedding-type rope --normalization RMSNorm --swiglu --disable-bias-linear
    --max-position-embeddings 32 --make-vocab-size-divisible-by 1 --tokenizer-type NullTokenizer --vocab-size 96"
batch="--split 100,0,0 --seq-length 16 --micro-batch-size 2 --global-batch-size 8 --lr 1e-3 --min-lr 1e-4
    --lr-decay-style cosine --lr-warmup-iters 3 --eval-iters 0 --log-interval 1000 --hidden-dropout 0.1 --attention-dropout 0.1"
# train OPTIONS...: the job of these tests; a later option wins
train() {
    # shellcheck disable=SC2086
    "$T" pretrain $shape $batch --data-path "$D/data_text_document" --train-iters 8 --seed 5 "$@"
}
# What must not differ between runs, without what time and memory make of it.
curve() {
    sed 's/, "tokens_per_second.*//' "$1"
}

# ---- jobs of several processes ----

have_mpi() { command -v mpirun >/dev/null 2>&1; }
needs_mpi() {
    have_mpi && return
    echo "SKIPPED: no mpirun; on Debian: apt-get install openmpi-bin"
    exit 77
}
# on RANKS COMMAND...: as so many processes
on() {
    processes=$1
    shift
    [ "${launcher+known}" ] || case $(mpirun --version 2>&1) in
    *"Open MPI"*) launcher="--allow-run-as-root --oversubscribe --bind-to none" ;;
    *) launcher= ;;
    esac
    # shellcheck disable=SC2086
    mpirun $launcher -n "$processes" "$@"
}
# job NAME RANKS OPTIONS...: trains (tunes, with --stage) with $common and these; metrics in $D/NAME.jsonl
job() {
    name=$1 ranks=$2
    shift 2
    checks=$((checks + 1))
    rm -f "$D/$name.jsonl"
    run="on $ranks" verb=pretrain
    [ "$ranks" != 1 ] || run=
    case " $common $* " in *" --stage "*) verb=posttrain ;; esac
    # shellcheck disable=SC2086
    $run "$T" $verb $common --metrics-jsonl "$D/$name.jsonl" "$@" >"$D/out" 2>"$D/err" </dev/null ||
        wrong "$name: $(grep error "$D/err" | tail -n 3)"
}
# numbers NAME: a row an iteration: its number, loss, gradient norm, norm of the weights; evaluations between
numbers() {
    sed 's/[{}",:]/ /g' "$D/$1.jsonl" | awk '{ row = ""; for (i = 1; i < NF; i++)
        if ($i ~ /^(iteration|lm_loss|grad_norm|params_norm|valid_lm_loss)$/) row = row " " $(i + 1)
        print row }'
}
# alike NAME AS FIRST [BOUND]: from iteration FIRST on both have the same numbers. Sums of fp32 in another order differ by
# some 1e-7; what they train differs by as much in each step. The gradient's norm may be ten times as far off.
alike() {
    checks=$((checks + 1))
    numbers "$1" >"$D/a"
    numbers "$2" | awk -v first="$3" '$1 >= first' >"$D/b"
    paste "$D/a" "$D/b" | awk -v bound="${4-2e-5}" '
        function far(x, y, b) { d = x - y; if (d < 0) d = -d; return d > b * y }
        { n = NF / 2; bad = bad || n < 2 || $1 != $(n + 1)
          for (i = 2; i <= n; i++) if (far($i, $(n + i), i == 3 ? 10 * bound : bound)) { print; bad = 1 } }
        END { exit bad || NR == 0 }' >"$D/bad" || wrong "$1 is not $2: $(head -n 3 "$D/bad") ($(wc -l <"$D/a") rows)"
}
memory() { sed -n 's/.*"memory_peak_bytes": *\([0-9]*\).*/\1/p' "$D/$1.jsonl" | tail -n 1; }
# near_plan NAME RANKS OPTIONS...: plan says as much memory as the largest process takes or up to a twentieth more
near_plan() {
    name=$1 ranks=$2
    shift 2
    checks=$((checks + 1))
    # shellcheck disable=SC2086
    "$T" plan $common "$@" --world-size "$ranks" --json >"$D/plan" 2>"$D/err" || wrong "$name: plan: $(tail -n 1 "$D/err")"
    said=$(sed -n 's/.*"peak_bytes": *\([0-9]*\).*/\1/p' "$D/plan" | sort -n | tail -n 1)
    got=$(memory "$name")
    [ -n "$got" ] && [ "$got" -le "$said" ] && [ $((got * 21)) -ge $((said * 20)) ] || wrong "$name: $got bytes, planned $said"
}
# as_planned NAME RANKS OPTIONS...: plan knows the largest process's memory to the byte, and what the first one sends in
# a step, by group and kind of call
as_planned() {
    name=$1 ranks=$2
    shift 2
    checks=$((checks + 1))
    # shellcheck disable=SC2086
    "$T" plan $common "$@" --world-size "$ranks" --json >"$D/plan" 2>"$D/err" || wrong "$name: plan: $(tail -n 1 "$D/err")"
    said=$(sed -n 's/.*"peak_bytes": *\([0-9]*\).*/\1/p' "$D/plan" | sort -n | tail -n 1)
    got=$(memory "$name")
    [ -n "$got" ] && [ "$got" = "$said" ] || wrong "$name: $got bytes, planned $said"
    [ "$ranks" != 1 ] || return
    checks=$((checks + 1))
    sent=$(tr -d ' ' <"$D/$name.jsonl" | sed -n 's/.*"traffic":\(.*\)}$/\1/p' | tail -n 1)
    case $(tr -d ' \n' <"$D/plan") in
    *"\"traffic\":${sent:-none}"*) ;;
    *) wrong "$name: sent $sent" ;;
    esac
}
