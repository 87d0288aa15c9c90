#!/bin/sh
# Prints the file of settings of the packages: the defaults, each as a comment.
# settings.sh FILE, which is config.default.toml.
set -eu

cat <<'TEXT'
# The settings of outlook-bridge. Each one is shown with its default, or with an example. To set one,
# remove the "#" before its name, and restart the service: systemctl restart outlook-bridge
# `outlook-bridge doctor` says whether the settings work. Upgrades keep what you change here.
#
# The service of the Debian package gets its master key from /etc/outlook-bridge/master.key.
TEXT
# Without the first paragraph, which is about the file of the defaults.
sed -e '1,/^$/{/^$/!d}' -e 's/^\(# \)\{0,1\}\([a-z_]* = \)/#\2/' "$1"
