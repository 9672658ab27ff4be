/** The package has the build, but no types for it: they are those of its main entry. */
declare module 'msgpackr/index-no-eval' {
  export * from 'msgpackr';
}
