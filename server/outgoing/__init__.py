"""What goes out of Keystead by itself: e-mail and webhooks. No store, no rooms but `notices`."""
