/** Makes a router of the lab map ports for whoever asks inside, as those of homes do: miniupnpd, of Debian. */
import { type ChildProcess, spawn } from 'node:child_process'

/** The chains that it fills; what it maps is let through by the router's own rules, as it has a new destination. */
export const UPNP_RULES = `
table inet upnp {
  chain forward { type filter hook forward priority filter; jump allowed; }
  chain allowed { }
  chain pre { type nat hook prerouting priority dstnat; jump mapped; }
  chain mapped { }
  chain post { type nat hook postrouting priority srcnat; jump back; }
  chain back { }
}
`

const CONFIGURATION = `ext_ifname=wan
listening_ip=lan
ipv6_disable=yes
enable_upnp=yes
secure_mode=yes
uuid=2d868f27-87a7-4fa5-b51a-66719491cc61
upnp_table_name=upnp
upnp_nat_table_name=upnp
upnp_forward_chain=allowed
upnp_nat_chain=mapped
upnp_nat_postrouting_chain=back
allow 1024-65535 0.0.0.0/0 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
`

/** @param where in front of the command: runs it in the router's namespace, with which it ends */
export function startUpnp(where: readonly string[]): ChildProcess {
  const script = 'printf "%s" "$1" | exec miniupnpd -d -f /dev/stdin -P /dev/null'
  const [program = 'sh', ...args] = [...where, 'sh', '-c', script, 'sh', CONFIGURATION]
  return spawn(program, args, { stdio: 'ignore' })
}
