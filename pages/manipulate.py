import streamlit as st
from pages.ui import shell
shell.ensure(__file__)
st.title("Compare")
