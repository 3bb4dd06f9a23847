#!/bin/sh
# Chat templates rendered by tokenize --render, as a user does it.
. "$(dirname "$0")/lib.sh"
render() { "$T" tokenize --render --chat-template "$D/t.jinja" --input "$D/in.jsonl" "$@"; }
is() { # is WHAT WANT GOT
    checks=$((checks + 1))
    [ "$3" = "$2" ] || wrong "$1: \"$3\", expected \"$2\""
}
cat >"$D/in.jsonl" <<'END'
{"messages": [{"role": "user", "content": "Hi é"}], "add_generation_prompt": true, "bos_token": null, "n": 1}

{"messages": [{"role": "user"}], "n": 2}
END
printf '{%% for m in messages %%}\n<{{ m.role }}>{{ m.content }}\n{%% endfor %%}\n{{ bos_token }}{{ x }}\n' >"$D/t.jinja"
is "two lines" '{"text":"<user>Hi é\nNone"} {"text":"<user>\n"}' "$(render | tr '\n' ' ' | sed 's/ $//')"
printf '{{ messages[0].content + strftime_now(" %%d %%B %%Y %%H") }}' >"$D/t.jinja"
expect 1 "1 of 2 lines could not be rendered" render --template-now 2025-06-30 --output "$D/out.jsonl"
is "the line that renders" '{"text":"Hi é 30 June 2025 00"}' "$(sed -n 1p "$D/out.jsonl")"
is "the line that does not" "{\"error\":\"$D/t.jinja:1: UndefinedError: 'dict object' has no attribute 'content'\"}" \
    "$(sed -n 2p "$D/out.jsonl")"
is "a time of day" '{"text":"Hi é 30 June 2025 23"}' "$(render --template-now 2025-06-30T23:01:02 2>/dev/null | sed -n 1p)"
for date in 2025-06-31 tomorrow 2025-06-30x 2025-06-30T25:00:00; do
    expect 2 "--template-now: expected YYYY-MM-DD" render --template-now $date
done
echo '[1]' >>"$D/in.jsonl"
expect 2 "in.jsonl:4: expected an object" render
expect 1 "" render --on-bad-record skip
printf 'a\n{%% if x %%}' >"$D/t.jinja"
expect 2 "t.jinja:2: TemplateSyntaxError: Unexpected end of template" render
expect 2 "--render wants --chat-template" "$T" tokenize --render --input "$D/in.jsonl"
expect 2 "--render goes without --tokenizer" render --tokenizer x
expect 2 "--chat-template goes with --render only" "$T" tokenize --tokenizer x --chat-template y --input z
expect 2 "--template-now goes with --render only" "$T" tokenize --tokenizer x --template-now y --input z
rm "$D/t.jinja"
expect 2 "t.jinja" render
finish
