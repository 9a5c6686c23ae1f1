# Makes a machine and an internet out of network namespaces, and runs a command on that machine.
#
# With INTERNET_SERVER set, that command runs in the internet too.
#
#   unshare --net --mount --pid --fork --mount-proc --kill-child sh world.sh FOLDER USER COMMAND…
#
# This shell is the first process of its pid namespace: when it ends, all else here ends too. The
# real machine's network is not touched.
#
#   machine: 198.51.100.2, 2001:db8:1::2 ── veth ── 198.51.100.1, 2001:db8:1::1: internet
#   names on 127.0.0.53, web on port 8080        203.0.113.10, 2001:db8:2::10; no way to 203.0.113.200
set -eu
folder=$1
user=$2
shift 2
rm -f "$folder"/*.ready
mount --make-rprivate /
echo 'nameserver 127.0.0.53' > "$folder/resolv.conf"
mount --bind "$folder/resolv.conf" /etc/resolv.conf
ip link set lo up

own=$(readlink /proc/self/ns/net)
unshare --net sleep infinity &
internet=$!
while [ "$(readlink /proc/$internet/ns/net)" = "$own" ]; do :; done
inside() { nsenter --target "$internet" --net "$@"; }

ip link add out type veth peer name in netns "$internet"
ip address add 198.51.100.2/24 dev out
ip address add 2001:db8:1::2/64 dev out nodad
ip link set out up
ip route add default via 198.51.100.1
ip route add default via 2001:db8:1::1
inside ip link set lo up
inside ip address add 198.51.100.1/24 dev in
inside ip address add 2001:db8:1::1/64 dev in nodad
inside ip address add 203.0.113.10/32 dev lo
inside ip address add 2001:db8:2::10/128 dev lo
inside ip link set in up
inside ip route add unreachable 203.0.113.200
inside sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
# Kernels bound how often they say that nobody is there; here one test must not use up another's share.
inside sh -c 'echo 0 > /proc/sys/net/ipv4/icmp_ratemask'
inside sh -c 'echo 0 > /proc/sys/net/ipv6/icmp/ratelimit'

inside python3 "$folder/servers.py" internet > "$folder/internet.ready" &
servers=$!
python3 "$folder/servers.py" machine > "$folder/machine.ready" &
names=$!
until [ -s "$folder/internet.ready" ] && [ -s "$folder/machine.ready" ]; do
    kill -0 "$servers" && kill -0 "$names"
    sleep 0.01
done

if [ -n "${INTERNET_SERVER:-}" ]; then
    # Words of a command.
    inside $INTERNET_SERVER &
fi
if [ "$user" = 0 ]; then
    "$@"
else
    setpriv --reuid="$user" --regid="$user" --clear-groups "$@"
fi
