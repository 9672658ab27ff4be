// @nestjs/microservices over its TCP transport. A stream down is a handler that returns an Observable; there is nothing the other way,
// and no calls of the server.
import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientProxyFactory, MessagePattern, Transport } from '@nestjs/microservices';
import { firstValueFrom, from } from 'rxjs';
import { makeValues } from '../payload.mjs';
import { base64EchoOf, echoBase64 } from './common/base64.mjs';
import { findFreePort } from './common/free-port.mjs';

const limits = { maxBufferSize: 64 * 2 ** 20 };

class BenchController {
  echo(value) {
    return value;
  }

  echoBytes(text) {
    return echoBase64(text);
  }

  values(count) {
    return from(makeValues(count));
  }
}
for (const name of ['echo', 'echoBytes', 'values']) {
  const descriptor = Object.getOwnPropertyDescriptor(BenchController.prototype, name);
  MessagePattern(name)(BenchController.prototype, name, descriptor);
}
Controller()(BenchController);

class BenchModule {}
Module({ controllers: [BenchController] })(BenchModule);

/** Serves at a free port. */
export async function serve() {
  const port = await findFreePort();
  const options = { host: '127.0.0.1', port, ...limits };
  const service = await NestFactory.createMicroservice(BenchModule, {
    transport: Transport.TCP,
    options,
    logger: ['error'],
  });
  await service.listen();
  return { port, close: () => service.close() };
}

/** Connects to a server of this kind. */
export async function connect(port) {
  const options = { host: '127.0.0.1', port, ...limits };
  const client = ClientProxyFactory.create({ transport: Transport.TCP, options });
  await client.connect();
  return {
    echo: (value) => firstValueFrom(client.send('echo', value)),
    echoBytes: base64EchoOf((text) => firstValueFrom(client.send('echoBytes', text))),
    stream: (count, take) => client.send('values', count).forEach(take),
    close: () => client.close(),
  };
}
