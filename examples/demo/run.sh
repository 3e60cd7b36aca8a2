#!/bin/sh
# A hostile program under a policy: its own work succeeds, everything else is refused, and the report says why.
#
#     SANDLOCK=path/to/sandlock examples/demo/run.sh
set -u
here=$(cd "$(dirname "$0")" && pwd)
sandlock=${SANDLOCK:-sandlock}
top=$(mktemp -d "${TMPDIR:-/tmp}/sandlock-demo.XXXXXX")
server=
clean_up() {
	[ -z "$server" ] || kill "$server" 2>/dev/null
	rm -rf "$top"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

mkdir "$top/work" "$top/private"
echo "the quick brown fox jumps over the lazy dog and the cat" >"$top/work/text.txt"
echo "hunter2" >"$top/private/passwords.txt"
cp "$here/hostile.py" "$top/work/"

# Somebody to connect to.
python3 -c '
import socket, sys, time
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    time.sleep(120)
' >"$top/port" &
server=$!
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	[ -s "$top/port" ] && break
	sleep 0.1
done
port=$(cat "$top/port")

set -- -w "$top/work" -P 16 -m 256M -t 60 --explain --report="$top/report.txt" -- \
	python3 "$top/work/hostile.py" "$top/work" "$top/private" $$ "$port"
echo "\$ sandlock run -w WORK -P 16 -m 256M -t 60 --explain --report -- python3 hostile.py"
echo
"$sandlock" run "$@"
status=$?
echo
echo "exit status $status; what it left in its folder:"
sed 's/^/  /' "$top/work/result.txt" 2>/dev/null || echo "  (nothing)"
echo "the folder that it was not given:"
for file in "$top/private"/*; do
	printf '  %s  %s\n' "$(stat -c %A "$file")" "${file#"$top"/}"
done
echo
cat "$top/report.txt"

# The demonstration itself is a test: its work was done, and nothing else was.
[ -s "$top/work/result.txt" ] && [ ! -e "$top/private/planted.sh" ] && grep -q "signal 'process $$ " "$top/report.txt" &&
	[ "$(stat -c %a "$top/private/passwords.txt")" != 666 ]
