// What @deepkit/rpc serves: TypeScript, since its serializers are made of types. Compiled by deepkit.mjs with its compiler.
import { rpc, RpcKernelConnection } from '@deepkit/rpc';
import { from, type Observable } from 'rxjs';
import { makeValues } from '../payload.mjs';

interface Payload {
  sequence: number;
  name: string;
  email: string;
  isActive: boolean;
  tags: string[];
}

interface Value {
  i: number;
  k: string;
  v: number;
}

/** Of both ends. */
@rpc.controller('bench')
export class BenchController {
  @rpc.action()
  echo(payload: Payload): Payload {
    return payload;
  }

  @rpc.action()
  echoBytes(bytes: Uint8Array): Uint8Array {
    return bytes;
  }

  @rpc.action()
  values(count: number): Observable<Value> {
    return from(makeValues(count) as Iterable<Value>);
  }
}

/** Of the server, which calls the first client that asks for it. */
@rpc.controller('caller')
export class CallerController {
  static connection: RpcKernelConnection | undefined;

  constructor(protected connection: RpcKernelConnection) {}

  @rpc.action()
  listen(): void {
    CallerController.connection ??= this.connection;
  }
}
