#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type Config, ConfigError, loadConfig } from './control/config.ts'
import { chooseFile } from './control/environment.ts'
import { fullConf } from './control/full-conf.ts'
import { directiveReference } from './control/reference.ts'
import { openFileLimit } from './control/process.ts'
import { loadBackupConfig, loadDolphinConfig, loadSharpConfig } from './control/proxy-config.ts'
import { SignError, type SignRequest, signedQuery } from './control/security/sign.ts'
import { runBackup } from './backup.ts'
import { runCompare } from './compare.ts'
import { runDemo } from './demo.ts'
import { confFile, packageVersion } from './package.ts'
import { runFamily } from './family.ts'
import { runDolphin, runSharp } from './proxies.ts'
import { realWorld } from './run.ts'
import { SERVER_NAME } from './server/options.ts'
import { asError } from './st/errors.ts'
import { isMember } from './st/real/member.ts'
import { RealClock } from './st/real/clock.ts'

const DEFAULT_FILE = confFile('sluice.conf')
const DEMO = 'demo'
const EXIT_USAGE = 2
const USAGE = `sluice: a live-streaming server. RTMP in; RTMP and HTTP-FLV out.

usage: sluice [-c FILE | -e] [-t | -v | -g | -h | --full-conf | --directives]
       sluice [-c FILE | -e] --sign publish|play APP/STREAM [--expires TIME] [--address IP]
       sluice demo
       sluice dolphin -c FILE [-t]
       sluice sharp -c FILE [-t]
       sluice compare URL_A URL_B [--seconds N]
       sluice backup -c FILE [-t]

  -c FILE      the configuration; without it SRS_CONFIG_FILE, else ${DEFAULT_FILE}
  -e           no file: the SRS_... variables alone (also SRS_ENV_ONLY=on)
  -t           test the configuration and exit
  -v, -V       print the version and exit
  -g, -G       print the signature and exit
  -h, -?       print this and exit
  --full-conf  print every directive with its meaning and default and exit
  --directives print the same as a reference in Markdown and exit
  --sign       print the query with a token that lets a client publish or play the stream, valid for
               TIME (1h; 90s, 30m, 7d), for a client at IP when tokens are bound to addresses

  demo         a server with a stream in it, and where to look at it
  dolphin      a proxy for TCP in front of several servers, which it may start: see conf/dolphin.conf
  sharp        a proxy for HTTP-FLV that merges players of a stream: see conf/sharp.conf
  compare      whether two servers give out the same HLS segments: looks at two media playlists for N
               seconds (60), and exits with 1 when a segment that both have differs, or there is none
  backup       a coordinator of the HLS backup, beside each of two servers: see conf/backup.conf
`
/** Each reads its configuration and says how to run it. @throws ConfigError */
const PROXIES = {
  dolphin: (source: ProxySource) => {
    const config = loadDolphinConfig(source)
    return { ...config, run: () => runDolphin(config, packageVersion()) }
  },
  sharp: (source: ProxySource) => {
    const config = loadSharpConfig(source)
    return { ...config, run: () => runSharp(config, packageVersion()) }
  },
  backup: (source: ProxySource) => {
    const config = loadBackupConfig(source)
    return { ...config, run: () => runBackup(config, packageVersion()) }
  },
}
type ProxyName = keyof typeof PROXIES
type ProxySource = Parameters<typeof loadSharpConfig>[0]
/** Options that SRS has under two letters. */
const SAME_OPTION: Readonly<Record<string, string>> = { '-V': '-v', '-G': '-g', '-?': '-h' }
/** Relative names on the command line and in `include` start here, also after work_dir. */
const START_DIR = process.cwd()

await main()

async function main(): Promise<void> {
  if (process.argv[2] === 'compare') return compareServers(process.argv.slice(3))
  const options = readArguments()
  if (options.help) return print(USAGE)
  if (options.version) return print(`sluice ${packageVersion()}\n`)
  if (options.signature) return print(`${SERVER_NAME}/${packageVersion()}\n`)
  if (options['full-conf']) return print(fullConf())
  if (options.directives) return print(directiveReference())
  if (options.isDemo) return runDemo(print)
  if (options.proxy !== null) return runProxy(options.proxy, options.config, options.test)
  const file = chooseFile({ file: options.config, isEnvOnly: options.env }, process.env)
  const config = readConfig(() => load(file))
  if (!config) {
    process.exitCode = 1
    return
  }
  if (options.sign !== undefined) sign(config, { ...options, role: options.sign })
  else if (options.test) print(`The configuration is valid.\n`)
  else if (changeFolder(config.workDir)) {
    const path = file === null ? null : resolve(START_DIR, file)
    await runFamily({ config, version: packageVersion(), load: () => load(file), file: path, folder: START_DIR })
  }
}

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      args: process.argv.slice(2).map((argument) => SAME_OPTION[argument] ?? argument),
      options: {
        sign: { type: 'string' },
        expires: { type: 'string', default: '1h' },
        address: { type: 'string', default: '' },
        config: { type: 'string', short: 'c', default: DEFAULT_FILE },
        env: { type: 'boolean', short: 'e', default: false },
        test: { type: 'boolean', short: 't', default: false },
        version: { type: 'boolean', short: 'v', default: false },
        signature: { type: 'boolean', short: 'g', default: false },
        help: { type: 'boolean', short: 'h', default: false },
        'full-conf': { type: 'boolean', default: false },
        directives: { type: 'boolean', default: false },
      },
    })
    const [first = '', extra] = positionals
    const proxy = values.sign === undefined && first in PROXIES ? (first as ProxyName) : null
    const isDemo = values.sign === undefined && first === DEMO
    const unknown = values.sign === undefined && proxy === null && !isDemo ? positionals[0] : extra
    if (unknown !== undefined) throw new TypeError(`"${unknown}" is not understood`)
    if (proxy !== null && values.config === DEFAULT_FILE) throw new TypeError(`${proxy} needs -c FILE`)
    return { ...values, stream: first, proxy, isDemo }
  } catch (error) {
    process.stderr.write(`sluice: ${asError(error).message}\n\n${USAGE}`)
    return process.exit(EXIT_USAGE)
  }
}

function sign(config: Config, request: SignRequest): void {
  try {
    print(`${signedQuery(config, request, new RealClock().wallMs())}\n`)
  } catch (error) {
    if (!(error instanceof SignError)) throw error
    process.stderr.write(`sluice: ${error.message}\n`)
    process.exitCode = EXIT_USAGE
  }
}

async function compareServers(args: string[]): Promise<void> {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { seconds: { type: 'string', default: '60' } },
    })
    const [a = '', b = '', extra] = positionals
    const lastsMs = Number(values.seconds) * 1000
    if (extra !== undefined || !(lastsMs >= 0)) throw new TypeError('compare takes two URLs and a number of seconds')
    const { world } = realWorld({ logLevel: 'error', srsLogTank: 'console', srsLogFile: '', utcTime: false })
    process.exitCode = await runCompare(world, { urls: [new URL(a), new URL(b)], lastsMs }, print)
  } catch (error) {
    process.stderr.write(`sluice: ${asError(error).message}\n\n${USAGE}`)
    process.exitCode = EXIT_USAGE
  }
}

async function runProxy(name: ProxyName, file: string, isTest: boolean): Promise<void> {
  const proxy = PROXIES[name]
  const source = { file, readFile: readText, env: process.env }
  const start = readConfig(() => proxy(source))
  if (!start) process.exitCode = 1
  else if (isTest) print(`The configuration is valid.\n`)
  else if (changeFolder(start.workDir)) await start.run()
}

/** Null, with a word on what is wrong, when it cannot be used. */
function readConfig<C extends { readonly warnings: readonly string[] }>(read: () => C): C | null {
  try {
    const config = read()
    // Of several processes the first one says it.
    for (const warning of isMember() ? [] : config.warnings) process.stderr.write(`sluice: warning: ${warning}\n`)
    return config
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    return null
  }
}

function readText(path: string): string {
  return readFileSync(resolve(START_DIR, path), 'utf8')
}

function load(file: string | null): Config {
  return loadConfig({ file, readFile: readText, env: process.env, openFiles: openFileLimit() })
}

/** Goes to work_dir; false, with a word and the exit code set, when it cannot. */
function changeFolder(folder: string): boolean {
  try {
    process.chdir(folder)
    return true
  } catch (error) {
    process.stderr.write(`sluice: work_dir: ${asError(error).message}\n`)
    process.exitCode = 1
    return false
  }
}

function print(text: string): void {
  process.stdout.write(text)
}
