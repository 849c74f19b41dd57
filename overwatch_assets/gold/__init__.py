"""What people query: Overwatch's dimensions and facts."""
