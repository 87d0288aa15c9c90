#!/bin/bash
# Whether the service is ready. The image has no HTTP client; bash can ask by itself.
address=${OUTLOOK_BRIDGE_ADMIN_LISTEN:-127.0.0.1:8472}
exec 3<>"/dev/tcp/${address%:*}/${address##*:}" || exit 1
printf 'GET /health/ready HTTP/1.0\r\n\r\n' >&3
read -r _ status _ <&3
[ "$status" = 200 ]
