pub(super) mod placeholder {}
