import { networkInterfaces } from 'node:os'

/** For tests of IPv6: without it on the loopback interface they fail, and say what is missing. */
export function needIpv6(): void {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
  if (addresses.some(({ address }) => address === '::1')) return
  throw new Error('this test needs the address ::1: enable IPv6 (sysctl net.ipv6.conf.lo.disable_ipv6=0)')
}
