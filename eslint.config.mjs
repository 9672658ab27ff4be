import { defineConfig } from 'eslint/config';
import jest from 'eslint-plugin-jest';
import jsdoc from 'eslint-plugin-jsdoc';
import rxjs from 'eslint-plugin-rxjs-x';
import tsdoc from 'eslint-plugin-tsdoc';
import tseslint from 'typescript-eslint';

// Time and chance come in as arguments, so that every spec can rule over them; these files hold the defaults, or sit
// on something that has its own clock.
const mayTouchTheWorld = [
  'src/link/monotonic-scheduler.ts',
  'src/rpc/options.ts',
  'src/io-thread/**',
  'src/main-thread/**',
  'src/testing/fault-*.ts',
  'src/threads/**',
  'src/transports/**',
];

const timers = ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask'];
const bannedGlobals = [
  ...timers.map((name) => ({ name, message: 'Use the injected scheduler.' })),
  { name: 'console', message: 'Report on errors$, or let the caller decide.' },
  { name: 'process', message: 'Take what you need as an argument; the defaults are in rpc/options.ts.' },
  { name: 'Buffer', message: 'Bytes are Uint8Array outside the transports.' },
];
const bannedProperties = [
  { object: 'Date', property: 'now', message: 'Take nowMs, or scheduler.now().' },
  { object: 'performance', property: 'now', message: 'Take nowMs, or scheduler.now().' },
  { object: 'Math', property: 'random', message: 'Take random: () => number.' },
];
const bannedSyntax = [
  { selector: 'ExportDefaultDeclaration', message: 'One way to import a thing: by its name.' },
  {
    selector: ':matches(PropertyDefinition, MethodDefinition)[accessibility="private"]',
    message: 'Private is #private: the peer reaches whatever is public at run time.',
  },
];
// The protocol is dry: bytes and numbers go in, bytes and events come out, all within the call.
const bannedInProtocol = [
  { selector: ':function[async=true]', message: 'The protocol never waits.' },
  { selector: 'AwaitExpression', message: 'The protocol never waits.' },
  { selector: 'ForOfStatement[await=true]', message: 'The protocol never waits.' },
  {
    selector: 'NewExpression[callee.name="Date"][arguments.length=0]',
    message: 'The protocol has no clock: take nowMs.',
  },
];

export default defineConfig(
  // The consumer of the package check imports the packed package, which exists only while that check runs.
  // What the benchmark compares with brings its own compiler and packages.
  { ignores: ['dist', 'coverage', 'etc', '.cache', 'scripts/pack-check', 'bench/peers/*.ts'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },

  {
    // Scripts and configuration: read by Node as they are, so only what is wrong in any style.
    files: ['**/*.{js,mjs,cjs}'],
    rules: {
      'no-unused-vars': 'error',
      'no-shadow': 'error',
      'prefer-const': 'error',
      eqeqeq: ['error', 'always'],
    },
  },
  {
    files: ['**/*.{ts,mts}'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked, rxjs.configs.strict],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // Not in "strict", and the one that finds leaks.
      'rxjs-x/no-ignored-subscription': 'error',
      'rxjs-x/no-unsafe-switchmap': 'error',
      'rxjs-x/no-sharereplay': ['error', { allowConfig: true }],

      // Every member of a union has its case, or a default that proves there is no other.
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true, requireDefaultForNonUnion: true },
      ],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      // Sizes and counts in messages are safe to print; objects are not.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // `() => socket.destroy()` as a callback says what it does.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      // A signal's reason and an error received from the peer are passed on as they are, whatever they are.
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true, allowRethrowing: true }],
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingUnknown: true }],
      'rxjs-x/throw-error': ['error', { allowThrowingAny: false, allowThrowingUnknown: true }],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' },
      ],
      eqeqeq: ['error', 'always'],
    },
  },

  {
    files: ['src/**/*.ts'],
    plugins: { tsdoc, jsdoc },
    rules: {
      'tsdoc/syntax': 'error',
      'jsdoc/require-jsdoc': [
        'error',
        {
          publicOnly: true,
          // An override says what it does where it is declared first; a constructor, at its class.
          checkConstructors: false,
          require: { ClassDeclaration: true, FunctionDeclaration: true, MethodDefinition: true },
          contexts: [
            'TSInterfaceDeclaration',
            'TSTypeAliasDeclaration',
            'ExportNamedDeclaration > VariableDeclaration',
          ],
        },
      ],
      'no-restricted-properties': ['error', ...bannedProperties],
      'no-restricted-globals': ['error', { globals: bannedGlobals, checkGlobalObject: true }],
      'no-restricted-syntax': ['error', ...bannedSyntax],
    },
  },
  {
    files: ['src/protocol/**/*.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        {
          globals: [...bannedGlobals, { name: 'Promise', message: 'The protocol never waits.' }],
          checkGlobalObject: true,
        },
      ],
      'no-restricted-syntax': ['error', ...bannedSyntax, ...bannedInProtocol],
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            { group: ['node:*'], message: 'The protocol runs anywhere.' },
            { group: ['rxjs', 'rxjs/*'], message: 'The protocol is plain calls; RxJS is for the borders.' },
          ],
        },
      ],
    },
  },
  {
    files: mayTouchTheWorld,
    rules: { 'no-restricted-globals': 'off', 'no-restricted-properties': 'off' },
  },
  {
    // The guard of users' callbacks has to be at the end of their `pipe` as well: only a subclass with `lift` gets there.
    files: ['src/streams/guarded-observable.ts'],
    rules: { 'rxjs-x/no-subclass': 'off', '@typescript-eslint/no-deprecated': 'off' },
  },
  {
    // Hooks are there to be overridden: empty, with parameters that document what comes.
    files: ['src/rpc/**/*.ts'],
    rules: {
      '@typescript-eslint/no-empty-function': ['error', { allow: ['methods'] }],
      '@typescript-eslint/no-unused-vars': ['error', { args: 'none' }],
    },
  },

  {
    files: ['spec/**/*.ts', 'examples/**/*.ts', 'bench/**/*.ts', '*.ts'],
    rules: {
      // A service declares methods async because callers wait for them, not because they wait themselves.
      '@typescript-eslint/require-await': 'off',
      // Handlers that do nothing are ordinary there.
      '@typescript-eslint/no-empty-function': 'off',
      // Only a library's callers profit from declared return types.
      '@typescript-eslint/explicit-module-boundary-types': 'off',
      // Sources of values are often Subjects that the spec feeds; and what `first()` ignores does not matter there.
      'rxjs-x/no-exposed-subjects': 'off',
      'rxjs-x/no-ignored-default-value': 'off',
    },
  },
  {
    files: ['spec/**/*.ts'],
    extends: [jest.configs['flat/recommended']],
    rules: {
      // The `jest` object is no global in ESM; importing everything keeps one way.
      'jest/prefer-importing-jest-globals': 'error',
      'jest/expect-expect': [
        'error',
        // Laws are asserted by fast-check, types by expect-type, marbles by the test scheduler.
        { assertFunctionNames: ['expect', 'expect*', 'fc.assert', '**.assert', '**.run', 'assert*'] },
      ],
      // The original does not know that `expect(object.method)` calls nothing.
      '@typescript-eslint/unbound-method': 'off',
      'jest/unbound-method': 'error',
      // `expect(mock).toHaveBeenCalledWith(expect.any(Error))` is typed any by design.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      // A missing value fails the spec, as it should.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // A subscription in a spec ends with its Subject or its pair of peers.
      'rxjs-x/no-ignored-subscription': 'off',
      // An unexpected error fails the spec, as it should.
      'rxjs-x/no-ignored-error': 'off',
    },
  },
  {
    // A contract is a spec that other specs run on their own subject.
    files: ['spec/contracts/**/*.ts'],
    rules: { 'jest/no-export': 'off' },
  },
);
