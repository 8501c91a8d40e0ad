#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A name server on loopback that serves a small zone, asked by dig over UDP and TCP, and stopped by
# rndc; or, if the second one is `killed`, killed when it has answered a few hundred questions. It all
# happens in the folder named by the first argument.

set -eu
folder=$1/named
rm -rf "$folder"
mkdir "$folder"
cd "$folder"
PATH=$PATH:/usr/sbin # rndc is there

# A copy, as the profile that AppArmor may have for the installed program lets it read nothing here.
cp /usr/sbin/named .

cat >zone <<'END'
$TTL 60
@ IN SOA server hostmaster 1 3600 600 86400 60
@ IN NS server
@ IN MX 10 mail
server IN A 127.0.0.1
www IN A 192.0.2.80
www IN AAAA 2001:db8::80
alias IN CNAME www
text IN TXT "spoken by named"
END
for ((i = 1; i <= 400; i++)); do
	echo "host$i IN A 10.0.$((i / 250)).$((i % 250))"
done >>zone

cat >rndc.key <<'END'
key "control" { algorithm hmac-sha256; secret "bm90IGEgc2VjcmV0LCBhIHRlc3Q="; };
END

# Nobody but the system knows which ports are free: try some.
start()
{
	local port control

	port=$((RANDOM % 20000 + 20000))
	control=$((port + 1))
	cat >named.conf <<-END
		include "$folder/rndc.key";
		controls { inet 127.0.0.1 port $control allow { 127.0.0.1; } keys { "control"; }; };
		options {
			directory "$folder";
			pid-file "$folder/named.pid";
			session-keyfile "$folder/session.key";
			managed-keys-directory "$folder";
			listen-on port $port { 127.0.0.1; };
			listen-on-v6 { none; };
			allow-transfer { 127.0.0.1; };
			recursion no;
			empty-zones-enable no;
			dnssec-validation no;
			notify no;
		};
		zone "example.test" { type primary; file "$folder/zone"; };
	END
	# One log for each try: it says whether the server is ready.
	: >named.log
	./named -g -c named.conf -n 2 2>>named.log &
	server=$!
	for ((i = 0; i < 200; i++)); do
		if grep -q 'address in use\|could not configure\|exiting' named.log; then
			kill "$server" 2>/dev/null || true
			wait "$server" || true
			return 1
		elif grep -q ' running$' named.log; then
			at=(@127.0.0.1 -p "$port" +time=5 +tries=3)
			rndc=(rndc -s 127.0.0.1 -p "$control" -k "$folder/rndc.key")
			return 0
		fi
		sleep 0.05
	done
	kill -KILL "$server"
	return 1
}

for ((try = 0; try < 10; try++)); do
	start && break
done
if [ "$try" -eq 10 ]; then
	cat named.log >&2
	echo "named does not start"
	exit 1
fi
trap 'kill -KILL $server 2>/dev/null || true' EXIT
seq 1 400 | sed 's/.*/host&.example.test A/' >questions

if [ "${2:-}" = killed ]; then
	echo "many: $(dig "${at[@]}" +short -f questions | sort -u | grep -c '^10\.0\.')"
	kill -KILL "$server"
	wait "$server" 2>/dev/null || true
	exit
fi

for name in www.example.test text.example.test alias.example.test nothing.example.test; do
	for type in A AAAA TXT; do
		echo "$name $type: $(dig "${at[@]}" +short "$name" "$type" | tr '\n' ' ')"
	done
done
echo "by TCP: $(dig "${at[@]}" +tcp +short example.test MX)"
echo "two questions: $(dig "${at[@]}" +short host1.example.test A host2.example.test A | tr '\n' ' ')"
echo "refused: $(dig "${at[@]}" elsewhere.test | sed -n 's/.*status: \([A-Z]*\),.*/\1/p')"
echo "transfer: $(dig "${at[@]}" axfr example.test | grep -c 'IN.*A.*10\.0\.')"
echo "many: $(dig "${at[@]}" +short -f questions | sort -u | grep -c '^10\.0\.')"
echo "reload: $("${rndc[@]}" reload)"
"${rndc[@]}" stop
status=0
wait "$server" || status=$?
trap - EXIT
echo "stopped, status $status"
# Nobody listens there any more: dig says so by its status.
status=0
dig "${at[@]}" +tries=1 +time=1 www.example.test >/dev/null || status=$?
echo "nobody there, status $status"
