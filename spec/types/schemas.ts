/** What the compiler says of schemas. Checked by `npm run types`; nothing here runs. */
import { type } from 'arktype';
import { expectTypeOf } from 'expect-type';
import type { ArgumentIssue, InvalidArgumentsError, RegistrationOptions, StandardSchema } from 'tandem-rpc';
import * as v from 'valibot';
import { z } from 'zod';

// Schemas of every library that speaks the standard are schemas to us, asynchronous and transforming ones too.
const schemas: readonly StandardSchema[] = [
  z.object({ amount: z.number() }),
  z.string().transform((text) => text.length),
  z.string().optional(),
  v.object({ amount: v.number() }),
  v.pipeAsync(
    v.string(),
    v.checkAsync(async () => Promise.resolve(true)),
  ),
  v.optional(v.string(), 'default'),
  type({ amount: 'number' }),
  type('string.numeric.parse'),
];
const options: RegistrationOptions = {
  schemas: { deposit: schemas, history$: [z.number(), type('string')] },
};
expectTypeOf(options).toExtend<RegistrationOptions>();

// What is none is refused.
expectTypeOf<(value: unknown) => boolean>().not.toExtend<StandardSchema>();
expectTypeOf<{ parse(value: unknown): string }>().not.toExtend<StandardSchema>();
expectTypeOf<{ '~standard': { version: 2; validate: () => { value: 1 } } }>().not.toExtend<StandardSchema>();
// @ts-expect-error one schema for each argument, in a list
const unlisted: RegistrationOptions = { schemas: { deposit: z.number() } };
expectTypeOf(unlisted).toExtend<RegistrationOptions>();

expectTypeOf<InvalidArgumentsError['issues']>().toEqualTypeOf<readonly ArgumentIssue[]>();
