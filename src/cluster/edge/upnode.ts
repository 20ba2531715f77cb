/** What an edge says of itself, so that the lines of one client are found in the logs of all servers that serve it. */
import { asNumber, asText } from '../../rtmp/amf-value.ts'
import type { AmfObject } from '../../rtmp/amf0.ts'

const MAX_NAME_LENGTH = 192

/** This server, as it calls itself to origins. */
export interface SelfDescription {
  /** Of this run of the server, in chains. */
  readonly id: string
  /** Of the program, for example `Sluice` and `0.1.0`. */
  readonly name: string
  readonly version: string
  readonly pid: number
  /** An address at which this machine is known. */
  readonly ip: () => string
}

/** SRS's members, with the log id of the client for whom the stream is asked for. */
export function upnodeArgument({ name, version, pid, ip }: SelfDescription, clientId: string): AmfObject {
  return {
    srs_sig: name,
    srs_server: `${name}/${version}`,
    srs_version: version,
    srs_pid: pid,
    srs_id: clientId,
    srs_server_ip: ip(),
  }
}

/** The same over HTTP. */
export function upnodeText({ pid, ip }: SelfDescription, clientId: string): string {
  return `${ip()}/${pid}/${clientId}`
}

/** Who an origin says it is: address, process and the id of its connection; '' when it does not say. */
export function originName(info: AmfObject): string {
  const { srs_server_ip: ip, srs_pid: pid, srs_id: id } = info
  const name = `${asText(ip)}/${asNumber(pid)}/${asText(id)}`
  return asText(id) === '' ? '' : name.slice(0, MAX_NAME_LENGTH)
}
