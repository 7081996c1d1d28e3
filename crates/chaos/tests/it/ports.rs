//! The ports of the house's processes.

use std::net::TcpListener;

use chaos::Ports;

#[test]
fn a_port_that_another_program_takes_between_two_lives_is_left_to_it_and_the_others_stay() {
    let ports = Ports::find(true).unwrap();
    let (admin, http) = (ports.admin(), ports.http());
    ports.find_again().unwrap();
    assert!(!ports.are_taken());
    assert_eq!((ports.admin(), ports.http()), (admin.clone(), http.clone()));

    let other = TcpListener::bind(&admin).unwrap();
    assert!(ports.are_taken());
    ports.find_again().unwrap();
    assert_ne!(ports.admin(), admin);
    assert_eq!(ports.http(), http);
    assert!(!ports.are_taken());
    drop(other);
}
