"""Mutation testing: does a test fail when a line of the sources is made wrong?"""
