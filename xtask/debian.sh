#!/bin/sh
# Installs Debian packages whose services neither start now nor with the system: debian.sh PACKAGE...
# Whoever needs one of these servers here starts it itself, on its own port.
set -eu

if ! command -v apt-get >/dev/null; then
    echo "not a Debian system (no apt-get): install $* by hand" >&2
    exit 1
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
    as_root=sudo
fi

missing=
for package in "$@"; do
    dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

# The services that start with the system, by systemd or by an init script.
enabled() {
    for link in /etc/systemd/system/*.wants/*.service /etc/rc[2345].d/S*; do
        [ -L "$link" ] || continue
        name=${link##*/}
        name=${name%.service}
        echo "${name#S[0-9][0-9]}"
    done | sort -u
}
before=$(enabled)

# The packages start a server as soon as they are there, on ports that may be taken. This file says no (invoke-rc.d(8)).
# One that is there already is the machine's own, such as that of a container's image, and stays.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap '$as_root rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
fi
$as_root apt-get update -q
# shellcheck disable=SC2086 # a list of names
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing

# It does not keep them from being enabled, though: they would start with the next boot. A service that was there before
# is somebody's, and stays as it is.
for service in $(enabled); do
    case "
$before
" in
        *"
$service
"*) ;;
        *)
            if command -v systemctl >/dev/null; then
                $as_root systemctl --quiet disable "$service"
            else
                $as_root update-rc.d "$service" disable
            fi
            ;;
    esac
done
