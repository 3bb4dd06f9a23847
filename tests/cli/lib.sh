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
