#!/bin/sh
# Looks at a page of `tessera report` in Chromium, light, dark, narrow and without its script: pictures to be looked at,
# and what a machine can see: that the script ran without a complaint, and that nothing was fetched.
# usage: scripts/report_shots.sh PAGE.html FOLDER          (not in CI: needs chromium)
set -eu
page=$(realpath "$1") out=$2
mkdir -p "$out"
browser() {
    chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --enable-logging=stderr --user-data-dir="$out/profile" \
        "$@" "file://$page" 2>>"$out/log"
}
: >"$out/log"
browser --window-size=1400,2600 --screenshot="$out/light.png"
browser --window-size=1400,2600 --blink-settings=preferredColorScheme=0 --screenshot="$out/dark.png"
browser --window-size=420,2600 --screenshot="$out/narrow.png"
sed '/^<script>$/,/<\/script>/d' "$page" >"$out/plain.html"
page=$out/plain.html browser --window-size=1400,2600 --screenshot="$out/plain.png"
browser --dump-dom >"$out/dom.html"
grep -q '<html[^>]*class="js"' "$out/dom.html" || { echo "the script did not run"; exit 1; }
grep "CONSOLE" "$out/log" && { echo "the page complained"; exit 1; }
grep -o 'https\?://[^"]*' "$page" && { echo "the page names other places"; exit 1; }
# what a hand does: point at the middle of a chart, click the first run's name
{
    sed 's,</body></html>,,' "$page"
    echo '<script>const f = document.querySelector("figure"), svg = f.querySelector("svg"), b = svg.getBoundingClientRect();
svg.dispatchEvent(new MouseEvent("mousemove", { clientX: b.left + b.width / 2, clientY: b.top + 9 }));
document.querySelector(".runs li").click();</script></body></html>'
} >"$out/hand.html"
page=$out/hand.html browser --window-size=1400,2600 --dump-dom >"$out/dom.html"
grep -q '<div class="tip"[^>]*>step [0-9]' "$out/dom.html" || { echo "pointing at a chart tells nothing"; exit 1; }
grep -q '<g class="run[^>]* data-run="0" style="display: none' "$out/dom.html" || { echo "a click hides nothing"; exit 1; }
grep "CONSOLE" "$out/log" && { echo "the script complained"; exit 1; }
for shot in light dark narrow plain; do
    [ "$(stat -c %s "$out/$shot.png")" -gt 20000 ] || { echo "$shot.png is empty"; exit 1; }
done
rm -rf "$out/profile"
echo "look at: $out/light.png $out/dark.png $out/narrow.png $out/plain.png"
