import { createServer, type AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { freePorts } from '../src/demo.ts'
import { freePort } from './support/port.ts'

test('the demo takes the usual ports, and lets the system choose where one is taken', async () => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const { port } = taken.address() as AddressInfo
  onTestFinished(() => void taken.close())
  const free = await freePort()
  expect(await freePorts({ rtmp: 0, http: free, api: port })).toEqual({ rtmp: 0, http: free, api: 0 })
})
